// The development server: the demo pages and what they import, with the headers that shared memory needs.
import { existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import sirv from 'sirv';
import { root } from './project.mjs';

const headers = {
  'Cache-Control': 'no-store', // always the file as it is now
  'Cross-Origin-Opener-Policy': 'same-origin', // these two isolate the page, which gives it SharedArrayBuffer
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/**
 * Serves folders of the repository under their own names; `/` leads to the playground.
 *
 * @param {{ port?: number, folders?: string[] }} [options] port 0 takes any free one
 * @returns {Promise<{ url: string, port: number, close: () => Promise<void> }>} url ends in a slash
 */
export async function serve({ port = 0, folders = ['web', 'dist', 'bench'] } = {}) {
  const mounts = new Map(folders.map((folder) => [folder, sirv(join(root, folder), { dev: true })]));

  const server = createServer((request, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    const refuse = (status) => response.writeHead(status, { 'Content-Type': 'text/plain' }).end(`${status}\n`);
    const path = readPath(request.url);
    if (!path) return refuse(400);

    const mount = mounts.get(path.folder);
    if (path.name === '/') return response.writeHead(302, { Location: '/web/' }).end();
    if (!mount) return refuse(404);
    // Without its slash, a folder's page would resolve relative links one level too high.
    if (isFolder(path.name) && !path.name.endsWith('/')) {
      return response.writeHead(302, { Location: `${path.encoded}/${path.search}` }).end();
    }
    request.url = path.encoded.slice(path.folder.length + 1) + path.search;
    mount(request, response, () => refuse(404));
  });

  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const { port: actual } = server.address();
  return {
    port: actual,
    url: `http://localhost:${actual}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The parts of a request's address, or undefined for one that is malformed. */
function readPath(url) {
  try {
    const { pathname: encoded, search } = new URL(`http://localhost${url}`);
    const name = decodeURIComponent(encoded);
    if (name.includes('\0') || name.split('/').includes('..')) return undefined;
    return { name, encoded, search, folder: encoded.split('/')[1] };
  } catch {
    return undefined;
  }
}

function isFolder(name) {
  const path = join(root, name);
  return existsSync(path) && statSync(path).isDirectory();
}
