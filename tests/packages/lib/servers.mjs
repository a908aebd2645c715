// The hosts of the matrix: a folder, or a tool's own server, with the headers of one column.
import { createServer, request as ask } from 'node:http';
import { connect } from 'node:net';
import sirv from 'sirv';

const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/** The strictest policy that lets WebAssembly run. */
const policy = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";

/** The additions to that policy if the package comes from another origin. */
const policyFor = (origin) => `default-src 'self' ${origin}; script-src 'self' 'wasm-unsafe-eval' ${origin}; ` +
  `worker-src 'self' blob: ${origin}`;

/** The columns of the matrix: the headers of a page, and its path. */
export const columns = {
  plain: { title: 'plain', isolated: false, base: '/' },
  isolated: { title: 'isolated', isolated: true, base: '/' },
  csp: { title: 'isolated, CSP', isolated: true, csp: true, base: '/' },
  subPath: { title: 'sub-path', isolated: false, base: '/some/app/' },
};

function headersOf({ isolated, csp }, origin) {
  return { ...isolated && isolation, ...csp && { 'Content-Security-Policy': origin ? policyFor(origin) : policy } };
}

/** A port that no program uses. */
export async function freePort() {
  const server = await listen(createServer());
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function listen(server) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}

function handleOf(server, base, host = 'localhost') {
  return {
    url: `http://${host}:${server.address().port}${base}`,
    origin: `http://${host}:${server.address().port}`,
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** Sets the headers, and serves the icon that browsers request of every site. Returns true if the request is done. */
function welcome(request, response, headers) {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (!request.url.endsWith('/favicon.ico')) return false;
  response.writeHead(204).end();
  return true;
}

/** Serves a folder with the headers and the path of a column. `origin`: another origin that its pages load from. */
export async function serveFolder(folder, column, origin) {
  const site = sirv(folder, { dev: true, dotfiles: true });
  const headers = headersOf(column, origin);
  const server = await listen(createServer((request, response) => {
    if (welcome(request, response, headers)) return;
    const refuse = () => response.writeHead(404, { 'Content-Type': 'text/plain' }).end('404\n');
    if (!request.url.startsWith(column.base)) return refuse();
    request.url = request.url.slice(column.base.length - 1);
    site(request, response, refuse);
  }));
  return handleOf(server, column.base);
}

/** Serves a folder from another origin, to pages of any origin. */
export async function serveCdn(folder) {
  const site = sirv(folder, { dev: true });
  const headers = { 'Access-Control-Allow-Origin': '*', 'Cross-Origin-Resource-Policy': 'cross-origin' };
  const server = await listen(createServer((request, response) => {
    if (!welcome(request, response, headers)) site(request, response, () => response.writeHead(404).end());
  }));
  return handleOf(server, '/', '127.0.0.1');
}

/** A proxy for a tool's own server and its web sockets. It adds the headers of a column. */
export async function proxy(target, column) {
  const { hostname, port } = new URL(target);
  const headers = headersOf(column);
  const server = await listen(createServer((request, response) => {
    if (welcome(request, response, {})) return;
    const options = { hostname, port, path: request.url, method: request.method, headers: request.headers };
    const forwarded = ask(options, (answer) => {
      response.writeHead(answer.statusCode, { ...answer.headers, ...headers });
      answer.pipe(response);
    });
    forwarded.on('error', () => response.destroy());
    request.pipe(forwarded);
  }));
  server.on('upgrade', (request, socket) => {
    const onward = connect(Number(port), hostname, () => {
      const lines = [`${request.method} ${request.url} HTTP/1.1`];
      for (let i = 0; i < request.rawHeaders.length; i += 2) {
        lines.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`);
      }
      onward.write(`${lines.join('\r\n')}\r\n\r\n`);
      socket.pipe(onward).pipe(socket);
    });
    for (const side of [socket, onward]) side.on('error', () => { socket.destroy(); onward.destroy(); });
  });
  return handleOf(server, column.base);
}
