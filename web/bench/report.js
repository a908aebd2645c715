/** A comparison as tables and text. */

import { threadsText } from '../shared/format.js';
import { ONE_THREAD } from './engine.js';

/** @typedef {import('./session.js').Comparison} Comparison */
/** @typedef {import('./session.js').EngineInfo} EngineInfo */
/** @typedef {import('./session.js').Row} Row */

/**
 * A table. The first column is text, the others are numbers; or all are text.
 *
 * @typedef {{ columns: string[], rows: string[][], isText?: boolean }} Table
 */

/** Formats milliseconds with about three significant digits. @param {number} ms */
export const milliseconds = (ms) => ms.toFixed(ms < 0.1 ? 4 : ms < 1 ? 3 : ms < 100 ? 2 : 0);

/** Formats a ratio. @param {number} factor */
export const times = (factor) => (factor < 100 ? factor.toFixed(2) : factor.toFixed(0));

/** Returns the geometric mean. @param {readonly number[]} values */
export const geometricMean = (values) => Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

/**
 * Returns the speed in GFLOP/s, counted as for direct convolution. Winograd and Toom-Cook need fewer operations, so
 * they can pass the peak.
 *
 * @param {Row} row
 * @param {string} engine
 */
export function speed({ flops, timings }, engine) {
  const timing = timings[engine];
  return timing ? flops / timing.ms / 1e6 : null;
}

/**
 * Returns the time of another engine divided by the time of the first.
 *
 * @param {Row} row
 * @param {string} first
 * @param {string} other
 */
export function ratio({ timings }, first, other) {
  const [ours, theirs] = [timings[first], timings[other]];
  return ours && theirs ? theirs.ms / ours.ms : null;
}

/**
 * Returns the geometric mean of the ratios, or null if there are none.
 *
 * @param {readonly Row[]} rows
 * @param {string} first
 * @param {string} other
 * @returns {number | null}
 */
export function meanRatio(rows, first, other) {
  const ratios = rows.map((row) => ratio(row, first, other)).filter((value) => value !== null);
  return ratios.length > 0 ? geometricMean(ratios) : null;
}

/**
 * Returns a cell of a table: the number, or a dash if there is none.
 *
 * @param {number | null | undefined} value
 * @param {(value: number) => string} write
 */
export const cell = (value, write) => (value === null || value === undefined ? '-' : write(value));

/**
 * Returns a comparison as a table.
 *
 * @param {Comparison} comparison
 * @returns {Table}
 */
export function comparisonTable({ engines: [first, ...others], peak, rows }) {
  const columns = [
    'workload', `${first.id} ms`, 'GFLOP/s', 'of peak', ...others.flatMap(({ id }) => [`${id} ms`, 'ratio']),
  ];
  const body = rows.map((row) => {
    const reached = speed(row, first.id);
    return [
      row.name, cell(row.timings[first.id]?.ms, milliseconds), cell(reached, (value) => value.toFixed(1)),
      cell(reached, (value) => `${((100 * value) / peak / first.threads).toFixed(0)} %`),
      ...others.flatMap(({ id }) => [cell(row.timings[id]?.ms, milliseconds), cell(ratio(row, first.id, id), times)]),
    ];
  });
  if (others.length > 0) {
    const means = others.flatMap(({ id }) => ['', cell(meanRatio(rows, first.id, id), times)]);
    body.push(['geometric mean', '', '', '', ...means]);
  }
  return { columns, rows: body };
}

/** Describes an engine. @param {Pick<EngineInfo, 'id' | 'version' | 'threads' | 'simd'>} engine */
export const engineText = ({ id, version, threads, simd }) =>
  `${id} ${version} (${simd ? `${simd} SIMD, ` : ''}${threadsText(threads)})`;

/** Returns sentences that say what was measured, where and when. @param {Comparison} comparison */
export function comparisonNotes({ date, environment, engines, peak, rows }) {
  const worst = Math.max(0, ...rows.flatMap(({ differences }) => Object.values(differences)));
  const versions = engines.filter(({ id }) => id !== ONE_THREAD).map(engineText);
  const place = Object.values(environment).filter((value) => typeof value === 'string');
  const notes = [
    `${versions.join(', ')}. ${[...place, date.slice(0, 10)].join(', ')}.`,
    'Milliseconds are medians of runs taken in turn, input copied in and output copied out. GFLOP/s are counted as ' +
      'for direct convolution, which Winograd and Toom-Cook undercut; the peak is ' +
      `${peak.toFixed(1)} GFLOP/s of ${engines[0].simd === 'relaxed' ? 'fused' : 'separate'} multiply-add a thread.`,
    ...engines.filter(({ scope }) => scope).map(({ id, scope }) => `${id} computes ${scope}: less than the others do.`),
  ];
  if (engines.length > 1) {
    notes.push(`Largest difference between outputs: ${worst.toExponential(1)} of the largest value.`);
  }
  return notes;
}

/**
 * Returns a table in Markdown.
 *
 * @param {Table} table
 */
export function markdownTable({ columns, rows, isText = false }) {
  const line = (/** @type {readonly string[]} */ cells) => `| ${cells.join(' | ')} |`;
  return [line(columns), line(columns.map((_, i) => (i === 0 || isText ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

/**
 * Returns a table for a terminal.
 *
 * @param {Table} table
 */
export function textTable({ columns, rows, isText = false }) {
  const widths = columns.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i].length)));
  const line = (/** @type {readonly string[]} */ cells) =>
    cells.map((text, i) => (i === 0 || isText ? text.padEnd(widths[i]) : text.padStart(widths[i]))).join('  ').trimEnd();
  return [line(columns), ...rows.map(line)].join('\n');
}

/**
 * Returns a comparison in Markdown, ready for a README.
 *
 * @param {Comparison} comparison
 */
export const comparisonMarkdown = (comparison) =>
  `${markdownTable(comparisonTable(comparison))}\n\n${comparisonNotes(comparison).join('\n')}\n`;
