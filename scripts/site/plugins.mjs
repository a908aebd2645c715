// What the site needs beyond Vite: scripts that run before the page's modules, files with fixed names, link previews.
import { createCanvas, loadImage } from '@napi-rs/canvas';
import { readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** A script of the page's head that Vite would join with the page's modules (async), or would leave alone (classic). */
const EARLY = /[ \t]*<script (?:type="module" async )?src="([^"]+)"><\/script>\n/g;

/** Early modules follow this: the encoding and the policy come first. */
const AFTER = /<meta name="viewport"[^>]*>\n/;

/**
 * Builds the early scripts of each page as files of their own, and puts them into its head first.
 *
 * @param {string} web the folder of the pages
 * @returns {import('vite').Plugin[]}
 */
export function followEarlyScripts(web) {
  /** The scripts of each page. @type {Map<string, { source: string, isModule: boolean }[]>} */
  const scripts = new Map();
  const pages = readdirSync(web).filter((name) => name.endsWith('.html'));
  for (const page of pages) {
    const found = readFileSync(join(web, page), 'utf8').matchAll(EARLY);
    scripts.set(page, Array.from(found, ([tag, source]) => ({ source, isModule: tag.includes('module') })));
  }
  const sources = (/** @type {boolean} */ modules) => [...new Set([...scripts.values()].flat()
    .filter(({ isModule }) => isModule === modules).map(({ source }) => source))];
  return [{
    name: 'early-scripts',
    buildStart() {
      for (const source of sources(true)) this.emitFile({ type: 'chunk', id: join(web, source) });
      for (const source of sources(false)) {
        this.emitFile({ type: 'asset', name: basename(source), source: readFileSync(join(web, source)) });
      }
    },
    transformIndexHtml: { order: 'pre', handler: (html) => html.replaceAll(EARLY, '') },
  }, {
    name: 'early-tags',
    transformIndexHtml: {
      order: 'post',
      handler(html, { filename, bundle }) {
        const tags = scripts.get(basename(filename)).map(({ source, isModule }) => {
          const file = Object.values(bundle).find((output) => (output.type === 'chunk'
            ? output.moduleIds.includes(join(web, source)) : output.names.includes(basename(source))));
          if (!file) throw new Error(`${basename(filename)}: ${source} was not built`);
          const attributes = isModule ? 'type="module" async fetchpriority="high" ' : '';
          return { isModule, tag: `  <script ${attributes}src="./${file.fileName}"></script>\n` };
        });
        const tagsOf = (/** @type {boolean} */ modules) =>
          tags.filter(({ isModule }) => isModule === modules).map(({ tag }) => tag).join('');
        // a classic script stops the parser, so it follows all tags that begin to fetch something
        return html.replace(AFTER, `$&${tagsOf(true)}`).replace('</head>', `${tagsOf(false)}</head>`);
      },
    },
  }];
}

/** A style sheet of a page's head. */
const SHEET = /[ \t]*<link rel="stylesheet" href="([^"]+)">\n/g;

/** The name of the style sheet that has all of a page's. */
const JOINED = '.joined.css';

/**
 * Joins the style sheets of each page, in their order: on its own, Vite puts those that pages share last, where they
 * would win over the page's.
 *
 * @param {string} web the folder of the pages
 * @returns {import('vite').Plugin}
 */
export function joinStyles(web) {
  return {
    name: 'join-styles',
    enforce: 'pre',
    resolveId: (source) => (source.endsWith(JOINED) ? join(web, basename(source)) : null),
    load(id) {
      if (!id.endsWith(JOINED)) return null;
      const html = readFileSync(join(web, `${basename(id, JOINED)}.html`), 'utf8');
      return Array.from(html.matchAll(SHEET), ([, href]) => `@import './${href}';\n`).join('');
    },
    transformIndexHtml: {
      order: 'pre',
      handler: (html, { filename }) => html.replaceAll(SHEET, '')
        .replace('</head>', `  <link rel="stylesheet" href="./${basename(filename, '.html')}${JOINED}">\n</head>`),
    },
  };
}

/** JPEG's quality of the photographs on the site. Their maps look the same at 90, which takes twice the bytes. */
const QUALITY = 70;

/**
 * Encodes the photographs with fewer bytes: they are the largest part of a page.
 *
 * @param {string} web the folder of the pages
 * @returns {import('vite').Plugin}
 */
export function shrinkPhotos(web) {
  return {
    name: 'shrink-photos',
    enforce: 'pre',
    async load(id) {
      const [file, query] = id.split('?');
      if (dirname(file) !== join(web, 'photos') || query !== 'url') return null;
      const photo = await loadImage(file);
      const canvas = createCanvas(photo.width, photo.height);
      canvas.getContext('2d').drawImage(photo, 0, 0);
      const source = canvas.toBuffer('image/jpeg', QUALITY);
      const reference = this.emitFile({ type: 'asset', name: basename(file), source });
      return `export default import.meta.ROLLUP_FILE_URL_${reference};`;
    },
  };
}

/**
 * Emits files whose names must not change: pictures of previews, whose addresses others keep, and the service worker,
 * which the browser compares with its last version.
 *
 * @param {string} web the folder of the pages
 * @returns {import('vite').Plugin}
 */
export function emitFiles(web) {
  return {
    name: 'fixed-files',
    buildStart() {
      const files = readdirSync(join(web, 'previews')).map((name) => `previews/${name}`);
      for (const fileName of files) {
        this.emitFile({ type: 'asset', fileName, source: readFileSync(join(web, fileName)) });
      }
      const worker = readFileSync(join(web, 'shared/isolation-worker.js'));
      this.emitFile({ type: 'asset', fileName: 'isolation-worker.js', source: worker });
    },
  };
}

/** The size of a preview's picture in pixels: what the networks show large. */
export const PREVIEW = { width: 1200, height: 630 };

/**
 * Adds the link preview to each page's head: what other sites show of a link. Its title and text are the page's heading
 * and description.
 *
 * @param {URL | undefined} base the site's address; without it, addresses in previews are relative
 * @returns {import('vite').Plugin}
 */
export function addHeads(base) {
  return {
    name: 'heads',
    transformIndexHtml: {
      order: 'post',
      handler(html, { filename }) {
        const page = basename(filename);
        if (page === '404.html') return base ? html.replaceAll('="./', `="${base.pathname}`) : html;
        const name = page === 'index.html' ? 'start' : basename(page, '.html');
        const address = (/** @type {string} */ path) => (base ? new URL(path, base).href : `./${path}`);
        const title = /<h1>(.*?)<\/h1>/s.exec(html)?.[1];
        const description = /<meta name="description" content="([^"]*)">/.exec(html)?.[1];
        if (!title || !description) throw new Error(`${page} has no heading or no description for its link preview`);
        const properties = {
          'og:type': 'website', 'og:site_name': 'dynakernel', 'og:title': title, 'og:description': description,
          ...(base ? { 'og:url': address(page === 'index.html' ? '' : page) } : {}), 'og:image': address(`previews/${name}.jpg`),
          'og:image:type': 'image/jpeg', 'og:image:width': String(PREVIEW.width), 'og:image:height': String(PREVIEW.height),
          'og:image:alt': `The page “${title}” of dynakernel`,
        };
        const names = {
          'twitter:card': 'summary_large_image', 'twitter:title': title, 'twitter:description': description,
          'twitter:image': properties['og:image'], 'twitter:image:alt': properties['og:image:alt'],
        };
        const injectTo = /** @type {const} */ ('head'); // its end
        return [
          ...Object.entries(properties).map(([property, content]) => ({
            tag: 'meta', attrs: { property, content }, injectTo,
          })),
          ...Object.entries(names).map(([key, content]) => ({
            tag: 'meta', attrs: { name: key, content }, injectTo,
          })),
          ...(base ? [{ tag: 'link', attrs: { rel: 'canonical', href: properties['og:url'] }, injectTo }] : []),
        ];
      },
    },
  };
}
