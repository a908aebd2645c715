// Opens pages of the development server in a real browser, for measurements.
import { launchBrowser } from '../scripts/browsers.mjs';
import { serve } from '../scripts/serve.mjs';
import { REVECTORIZE } from './engines.mjs';

/**
 * Starts a server and a browser, and ends both after the work.
 *
 * @template Result
 * @param {{ browser: string, revectorize?: boolean }} options
 * @param {(browser: import('puppeteer-core').Browser, url: string) => Promise<Result>} work url: of the server
 * @returns {Promise<Result>}
 */
export async function withBrowser({ browser: name, revectorize }, work) {
  const server = await serve({ folders: ['web', 'dist', 'bench'] });
  // V8 passes over the name that it does not know
  const browser = await launchBrowser(name, revectorize ? [`--js-flags=${REVECTORIZE.join(' ')}`] : []);
  try {
    return await work(browser, server.url);
  } finally {
    await browser.close();
    await server.close();
  }
}

/**
 * The browser's name and version, such as "Chromium 140.0.1", and whether V8 joins pairs of operations.
 *
 * @param {import('puppeteer-core').Browser} browser
 * @param {{ revectorize?: boolean }} options
 */
export async function engineName(browser, { revectorize }) {
  const [name, version] = (await browser.version()).split('/');
  return `${/chrome/i.test(name) ? 'Chromium' : 'Firefox'} ${version}${revectorize ? ` ${REVECTORIZE[0]}` : ''}`;
}

/**
 * Runs a module's function in a page. The page calls back when the function is done, because a long call of the
 * browser's protocol would time out.
 *
 * @param {import('puppeteer-core').Page} page
 * @param {string} module path on the server
 * @param {string} name of the exported function: (argument, onProgress) => Promise
 * @param {unknown} argument
 * @param {(progress: any) => void} [onProgress]
 * @returns {Promise<any>}
 */
export function callInPage(page, module, name, argument, onProgress = () => {}) {
  return new Promise((resolve, reject) => {
    page.on('error', (error) => reject(new Error(`the page crashed: ${error.message}`)));
    page.on('close', () => reject(new Error('the page was closed')));
    const answer = ({ progress, result, error }) => {
      if (progress) onProgress(progress);
      else if (error) reject(new Error(error));
      else resolve(result);
    };
    const begin = async () => {
      await page.exposeFunction('benchAnswer', answer);
      await page.evaluate(async (path, exported, given) => {
        const { benchAnswer } = /** @type {any} */ (globalThis);
        try {
          const functions = await import(path);
          functions[exported](given, (progress) => benchAnswer({ progress })).then(
            (result) => benchAnswer({ result }), (error) => benchAnswer({ error: error.message }));
        } catch (error) {
          benchAnswer({ error: error.message });
        }
      }, module, name, argument);
    };
    begin().catch(reject);
  });
}
