/**
 * Runs before the page's other modules have arrived: begins to fetch what they will ask for, the WebAssembly and the
 * picture, so that both are there when those modules run.
 */
import { shippedFile } from '../dynakernel/files.js';
import { hasRelaxedSimd } from '../dynakernel/probes.js';
import { photoAddress } from '../shared/photos.js';
import { pictureOf } from './usual.js';

// The library makes the same choice. A wrong guess costs time only.
const hasThreads = globalThis.crossOriginIsolated && navigator.hardwareConcurrency > 1;
const build = typeof WebAssembly === 'object' && hasRelaxedSimd() ? 'relaxed' : 'baseline';
const file = shippedFile(hasThreads ? `${build}-threads` : build);
if (file instanceof URL) {
  const link = document.createElement('link');
  Object.assign(link, { rel: 'preload', as: 'fetch', crossOrigin: 'anonymous', href: file.href });
  document.head.append(link);
}

/** The photograph that the page's address asks for. */
export const photo = pictureOf(new URLSearchParams(location.search).get('picture'));

/** Not a preload: Chromium 156 cannot read one as a blob while it arrives. */
export const response = fetch(photoAddress(photo));
response.catch(() => {}); // the page says so, when it opens the photograph
