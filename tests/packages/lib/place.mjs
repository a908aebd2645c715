// The parts of a run of the matrix: the installed package, the tools that the run needs, and all rows.
import { bundlerRows } from './bundler-cells.mjs';
import { remembering } from './cells.mjs';
import { engineRows } from './engine-cells.mjs';
import { hostRows } from './host-cells.mjs';
import { judgeEngine, judgePage, judgeWorkers } from './judge.mjs';
import { nextRows } from './next-cells.mjs';
import { expectedResult, installPackage, installTools } from './project.mjs';
import { viteRows5to8 } from './vite-cells.mjs';

/** Packs and installs the package. A tool is installed when a row first needs it. */
export async function preparePlace() {
  const installed = await installPackage();
  const toolsFolder = remembering(installTools);
  const place = { installed, toolsFolder, packagesFolder: () => toolsFolder('packages') };
  const next = nextRows(place);
  return {
    ...place,
    expected: await expectedResult(installed),
    rows: [...hostRows(place), ...viteRows5to8(place), ...bundlerRows(place), ...next.rows],
    engines: [...engineRows(place), ...next.engines],
  };
}

/**
 * Opens a row's app in every browser, for each of these columns.
 *
 * @param {import('./cells.mjs').Row} row
 * @param {string[]} names the columns
 * @returns {Promise<{ [column: string]: import('./judge.mjs').Cell }>} with `worker` among them
 */
export async function runRow(row, names, browsers, expected) {
  const cells = {};
  const visits = [];
  for (const name of names) {
    try {
      const host = await row.open(name);
      const found = await browsers.visit(host.url).finally(() => host.close());
      cells[name] = judgePage(found, expected, row.chatter);
      visits.push(...found);
    } catch (error) {
      cells[name] = failed(error);
    }
  }
  await row.close?.();
  const failure = Object.values(cells).find((cell) => cell.failed);
  cells.worker = visits.length > 0 ? judgeWorkers(visits, expected) : failure;
  return cells;
}

/** @returns {Promise<import('./judge.mjs').Cell>} */
export async function runEngine(engine, expected) {
  try {
    return judgeEngine(await engine.run(), expected);
  } catch (error) {
    return failed(error);
  }
}

const failed = (error) => ({ text: error.text ?? 'no', why: [error.message], failed: true });
