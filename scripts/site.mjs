// `npm run site`: builds the pages into one folder that any static host serves. The options measure them, serve them as
// such a host does, and take their pictures.
import { join, resolve } from 'node:path';
import { build, fail, installPackages, readArguments, requireNode, root } from './project.mjs';

const usage = `usage: npm run site [-- OPTIONS]

Builds the pages, bundled and with names that change with their content, into build/site.

  --base URL      where the site will be: link previews and the page for missing addresses then have whole addresses
  --out FOLDER    another folder than build/site
  --serve         serve the folder as a plain static host does, under a sub-path
  --measure       measure each page under Lighthouse's slow 4G and a CPU four times slower; needs Chromium
  --pictures      take the pictures of link previews and buttons anew, and draw the icons; needs Chromium`;

requireNode('20.19'); // Vite's minimum
const { values } = readArguments(usage, {
  base: { type: 'string' }, out: { type: 'string' }, serve: { type: 'boolean' }, measure: { type: 'boolean' },
  pictures: { type: 'boolean' },
});
const folder = resolve(root, values.out ?? join('build', 'site'));
if (!installPackages()) fail("npm could not install the development packages: see its message above.");
if (build('wasm') !== 0) fail('The WebAssembly cannot be built: see the message above.');

// Only now: these import development packages.
const { buildSite } = await import('./site/build.mjs');
const base = values.base === undefined ? undefined : readBase(values.base);
if (values.pictures) {
  const { drawIcons, shrinkPhotos, takePreviews } = await import('./site/pictures.mjs');
  await shrinkPhotos();
  await drawIcons();
  await buildSite({ folder, base });
  await takePreviews(folder, () => buildSite({ folder, base }));
}
await buildSite({ folder, base });
console.log(`The site is in ${folder}`);

if (values.measure) {
  const { measureSite } = await import('./site/measure.mjs');
  await measureSite(folder);
}
if (values.serve) {
  const { host } = await import('./site/host.mjs');
  console.log(`It is served at ${(await host(folder)).url} (Ctrl+C ends it)`);
}

/** Reads --base: the address of a folder. @param {string} text */
function readBase(text) {
  const address = URL.canParse(text) ? new URL(text) : null;
  if (!address || !/^https?:$/.test(address.protocol) || address.search || address.hash) {
    return fail(`--base is '${text}': expected an address such as https://example.org/dynakernel/.`);
  }
  if (!address.pathname.endsWith('/')) address.pathname += '/';
  return address;
}
