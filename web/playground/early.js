/**
 * Runs before the page's own modules have arrived: begins to fetch what they will ask for, the WebAssembly and the
 * picture, so that both are there when the modules run.
 */
import { chooseBuild } from '../dynakernel/builds.js';
import * as files from '../dynakernel/files.js';
import { chooseThreads } from '../dynakernel/threads.js';
import { PHOTOS, photoAddress } from '../shared/photos.js';
import { USUAL_PHOTO } from './usual.js';

/** @param {string | URL} address */
function fetchSoon(address) {
  const link = document.createElement('link');
  Object.assign(link, { rel: 'preload', as: 'fetch', crossOrigin: 'anonymous', href: String(address) });
  document.head.append(link);
}

try {
  const { count } = chooseThreads(files, 'auto');
  const build = files.shippedFile(count > 1 ? `${chooseBuild('auto')}-threads` : chooseBuild('auto'));
  if (build instanceof URL) fetchSoon(build);
  const picture = new URLSearchParams(location.search).get('picture');
  fetchSoon(photoAddress(PHOTOS.find(({ id }) => id === picture) ?? USUAL_PHOTO));
} catch {
  // The page itself finds the same fault, and says it.
}
