// Finds and starts the browsers of this machine, for the browser tests and the benchmark.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const programs = {
  chromium: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
  firefox: ['firefox', 'firefox-esr'],
};

/** The path of 'chromium' or 'firefox': BROWSER_PATH if that is set, else the first program on PATH, else ''. */
export function findBrowser(name) {
  if (process.env.BROWSER_PATH) return process.env.BROWSER_PATH;
  for (const program of programs[name]) {
    for (const folder of (process.env.PATH ?? '').split(delimiter)) {
      const path = join(folder, program);
      if (isExecutable(path)) return path;
    }
  }
  return '';
}

/**
 * Starts a headless browser.
 *
 * @param {string} [name] 'chromium' or 'firefox'; BROWSER in the environment by default
 * @param {readonly string[]} [extra] more arguments of Chromium's command line
 * @returns {Promise<import('puppeteer-core').Browser>}
 */
export async function launchBrowser(name = process.env.BROWSER || 'chromium', extra = []) {
  if (!(name in programs)) throw new Error(`BROWSER is '${name}': expected chromium or firefox`);
  const executablePath = findBrowser(name);
  if (!executablePath) throw new Error(`${name} is not installed`);
  const { launch } = await import('puppeteer-core');
  if (name === 'firefox') return launch({ browser: 'firefox', executablePath, headless: true });
  const args = ['--disable-dev-shm-usage', ...extra]; // in containers /dev/shm is small
  if (process.getuid?.() === 0) args.push('--no-sandbox'); // Chromium's sandbox does not run as root
  return launch({ browser: 'chrome', executablePath, headless: true, args });
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
