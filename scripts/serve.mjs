// The development server: folders of the repository, with the headers that shared memory needs.
import { createServer } from 'node:http';
import { join } from 'node:path';
import sirv from 'sirv';
import { root } from './project.mjs';

const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin', // these two isolate the page: it gets SharedArrayBuffer
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/**
 * Serves folders under their own names. `/` redirects to the start page.
 *
 * @param {{ port?: number, folders?: string[] }} [options] port 0 takes any free port
 * @returns {Promise<{ url: string, port: number, close: () => Promise<void> }>} url ends in a slash
 */
export async function serve({ port = 0, folders = ['web', 'dist', 'bench'] } = {}) {
  const setHeaders = (response) => Object.entries(headers).forEach((header) => response.setHeader(...header));
  // In dev mode sirv reads files from the disk at each request and forbids caching.
  const mounts = new Map(folders.map((folder) => [folder, sirv(join(root, folder), { dev: true, setHeaders })]));
  const server = createServer((request, response) => {
    const [, folder, rest] = /^\/([^/?]*)(.*)$/.exec(request.url) ?? [];
    if (folder === '') return response.writeHead(302, { Location: '/web/' }).end();
    const refuse = () => void response.writeHead(404, headers).end('404\n');
    if (!mounts.has(folder)) return refuse();
    // Without its slash, relative links of the folder's page would lead one level too high.
    if (!rest.startsWith('/')) return response.writeHead(302, { Location: `/${folder}/${rest}` }).end();
    request.url = rest;
    return mounts.get(folder)(request, response, refuse);
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', () => resolve(undefined));
  });
  const { port: actual } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const close = () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  return { port: actual, url: `http://localhost:${actual}/`, close };
}
