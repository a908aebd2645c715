// The report of a measurement: prints it and writes it to build/bench/.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../scripts/project.mjs';
import { comparisonNotes, comparisonTable, markdownTable, textTable } from '../web/bench/report.js';
import { loadNotes } from './machine.mjs';
import { TOLERANCE, wrongEngines } from '../web/bench/session.js';

/**
 * @typedef {object} Report
 * @property {string} name of the files
 * @property {import('../web/bench/report.js').Table} table
 * @property {string[]} notes below the table
 * @property {string[]} failures sentences
 * @property {object} data for the JSON file
 */

const folder = 'build/bench';

/**
 * Returns the name of a report's files: the measurement, then the options that differ from the defaults.
 *
 * @param {string} measurement
 * @param {{ threads: number, simd: string, revectorize?: boolean }} options
 */
export const reportName = (measurement, { threads, simd, revectorize }) => [
  measurement, ...(simd === 'auto' ? [] : [simd]), ...(threads > 1 ? [`${threads}-threads`] : []),
  ...(revectorize ? ['revectorize'] : []),
].join('-');

/**
 * @param {string} name
 * @param {import('../web/bench/session.js').Comparison} comparison
 * @returns {Report}
 */
export function comparisonReport(name, comparison) {
  const failures = comparison.rows.flatMap((row) => wrongEngines(row).map((id) =>
    `${row.name}: the outputs of ${comparison.engines[0].id} and ${id} differ by ` +
    `${row.differences[id].toExponential(1)} of the largest value; at most ${TOLERANCE} is rounding.`));
  const notes = [...comparisonNotes(comparison), ...loadNotes(comparison.environment)];
  return { name, table: comparisonTable(comparison), notes, failures, data: comparison };
}

/**
 * Prints a line when a workload begins, on standard error, because the table goes to standard output.
 *
 * @param {import('../web/bench/session.js').Progress} progress
 */
export function showProgress(progress) {
  if (!('workload' in progress)) return;
  const { workload, index, count } = progress;
  console.error(`${String(index + 1).padStart(3)} of ${count}  ${workload.name}`);
}

/**
 * Prints a report and writes it to build/bench/ as Markdown and JSON.
 *
 * @param {Report} report
 * @param {{ markdown: boolean }} options
 */
export function publish({ name, table, notes, failures, data }, { markdown }) {
  const text = `${markdownTable(table)}\n\n${notes.join('\n')}\n`;
  console.log(markdown ? `\n${text}` : `\n${textTable(table)}\n\n${notes.join('\n')}\n`);
  for (const failure of failures) console.error(`FAILED: ${failure}`);
  mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, folder, `${name}.md`), text);
  writeFileSync(join(root, folder, `${name}.json`), `${JSON.stringify(data, null, 1)}\n`);
  console.error(`written to ${folder}/${name}.json and ${name}.md`);
}
