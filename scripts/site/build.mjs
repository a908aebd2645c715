// Builds the site with Vite. Of the bundlers that follow a page's own tags, `new URL()` and `new Worker()`, it is the one
// that needs no plugin for them, and tests/packages uses it anyway.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'vite';
import { root } from '../project.mjs';
import { addHeads, emitFiles, followEarlyScripts, joinStyles, shrinkPhotos } from './plugins.mjs';

const web = join(root, 'web');

/** What the playground's early script needs: addresses. It runs before the library and the rest have arrived. */
const ADDRESSES = /dynakernel\/(files|host|probes)\.js$|shared\/photos\.js$/;

/** The files of all pages. */
export const PAGES = readdirSync(web).filter((name) => name.endsWith('.html')).sort();

/**
 * Builds the site.
 *
 * @param {{ folder: string, base?: URL }} options the folder to write; the site's address, if it is known
 */
export async function buildSite({ folder, base }) {
  await build({
    root: web,
    base: './', // relative addresses work under any path
    configFile: false,
    publicDir: false,
    logLevel: 'warn',
    // pages do on the site what they do nowhere else: see web/shared/site.js
    define: { 'globalThis.DYNAKERNEL_SITE': 'true' },
    worker: { format: 'es', rolldownOptions: { external: ['node:fs/promises'] } },
    plugins: [followEarlyScripts(web), joinStyles(web), shrinkPhotos(web), emitFiles(web), addHeads(base)],
    build: {
      outDir: folder,
      emptyOutDir: true,
      target: 'es2022',
      cssTarget: ['chrome123', 'firefox120', 'safari17.5'], // the first with light-dark(), which the sources use
      assetsInlineLimit: 0, // the Content-Security-Policy allows no data: but for images
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
      rolldownOptions: {
        checks: { pluginTimings: false },
        input: PAGES.map((page) => join(web, page)),
        // few files: a request takes longer than the bytes that it would save
        output: {
          codeSplitting: {
            groups: [
              { name: 'addresses', test: ADDRESSES, priority: 2 },
              { name: 'library', test: /\/dynakernel\//, priority: 1 },
              { name: 'shared', test: /\/shared\/.*\.js$/ },
            ],
          },
        },
      },
    },
  });
}
