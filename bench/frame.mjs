// Milliseconds of a whole frame in Chromium, beside those of onnxruntime-web's convolution block alone.
import { milliseconds, times } from '../web/bench/report.js';
import { threadsText } from '../web/shared/format.js';
import { callInPage, engineName, withBrowser } from './browser.mjs';
import { loadNotes, machine } from './machine.mjs';
import { reportName } from './reports.mjs';

/** @param {import('./options.mjs').Options} options */
export function measureFrame(options) {
  const { peers, simd, revectorize, threads: [threads], pace } = options;
  return withBrowser(options, async (browser, url) => {
    const page = await browser.newPage();
    await page.setViewport({ width: 1280, height: 900 });
    await page.goto(`${url}bench/blank.html`);
    await page.bringToFront();
    const environment = machine(await engineName(browser, options));
    const result = await callInPage(page, '/bench/frame-page.js', 'measureFrames', { peers, simd, threads, pace });
    const data = { date: new Date().toISOString(), environment, ...result };
    const { frame, stages, layers, displayed } = result;
    const rows = [
      ['dynakernel, whole frame', milliseconds(frame), (1000 / frame).toFixed(0), ''],
      ...Object.entries(stages).map(([stage, ms]) => [`  ${stage}`, milliseconds(ms), '', '']),
      ...Object.entries(layers).map(([engine, layer]) =>
        [`${engine}, layer alone`, milliseconds(layer.ms), (1000 / layer.ms).toFixed(0), times(layer.ms / frame)]),
    ];
    const notes = [
      'Canvas of 512 × 512 pixels in, 3 to 8 channels, 3×3, eight maps drawn; ' +
        `${threadsText(threads)}; medians of runs taken in turn. Ratios are to the whole frame.`,
      `At the display's pace: ${displayed.toFixed(1)} frames a second.`,
      `${environment.engine}, ${environment.machine}, ${environment.system}, ${data.date.slice(0, 10)}.`,
      ...loadNotes(environment),
    ];
    const table = { columns: ['', 'ms', 'a second', 'ratio'], rows };
    return [{ name: reportName('frame', { threads, simd, revectorize }), table, notes, failures: [], data }];
  });
}
