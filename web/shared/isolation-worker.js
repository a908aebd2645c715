// The service worker of the site, which a person switches on (isolation.js). It adds the headers to the site's own files
// that a browser wants before it shares memory among threads. It stores nothing.
const HEADERS = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

// TypeScript knows this script as a page's: `any` stands for the service worker's own types.
const worker = /** @type {any} */ (self);

worker.addEventListener('install', () => worker.skipWaiting());
worker.addEventListener('activate', (/** @type {any} */ event) => event.waitUntil(worker.clients.claim()));
worker.addEventListener('fetch', (/** @type {any} */ event) => {
  const { request } = event;
  if (new URL(request.url).origin !== location.origin) return;
  // Chromium's tools ask for cached files only, which fetch() refuses for other modes.
  if (request.cache === 'only-if-cached' && request.mode !== 'same-origin') return;
  event.respondWith(withHeaders(request));
});

/** @param {Request} request */
async function withHeaders(request) {
  const response = await fetch(request);
  if (response.status === 0) return response; // a redirection, which the browser follows itself
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
