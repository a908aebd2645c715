// A plain static host, as the site may have: under a sub-path, with gzip, without the headers that isolate pages.
import { readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { gzipSync } from 'node:zlib';

const TYPES = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json',
  '.svg': 'image/svg+xml', '.png': 'image/png', '.jpg': 'image/jpeg', '.webp': 'image/webp', '.wasm': 'application/wasm',
};

/** Types that static hosts compress; pictures are compressed already. */
const COMPRESSED = /^(text|application)\/|svg/;

/**
 * Serves a folder.
 *
 * @param {string} folder
 * @param {{ port?: number, path?: string }} [options] path: where the site is, between slashes
 * @returns {Promise<{ url: string, close: () => Promise<void> }>} url ends in a slash
 */
export async function host(folder, { port = 0, path = '/some/app/' } = {}) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const inside = pathname.startsWith(path) ? normalize(decodeURIComponent(pathname.slice(path.length))) : '..';
    const name = inside === '.' || inside.endsWith('/') ? join(inside, 'index.html') : inside;
    const found = !name.startsWith('..') && (await stat(join(folder, name)).catch(() => null))?.isFile();
    const file = found ? name : '404.html';
    const type = TYPES[extname(file)] ?? 'application/octet-stream';
    const bytes = await readFile(join(folder, file)).catch(() => Buffer.from('404\n'));
    const isCompressed = COMPRESSED.test(type) && /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
    const body = isCompressed ? gzipSync(bytes) : bytes;
    response.writeHead(found ? 200 : 404, {
      'Content-Type': type, 'Content-Length': body.length, 'Cache-Control': 'max-age=600',
      ...(isCompressed ? { 'Content-Encoding': 'gzip' } : {}),
    }).end(body);
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', () => resolve(undefined));
  });
  const { port: actual } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    url: `http://localhost:${actual}${path}`,
    close: () => new Promise((resolve) => {
      server.close(() => resolve(undefined));
      server.closeAllConnections();
    }),
  };
}
