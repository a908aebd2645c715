/** @import { Comparison, Row } from './session.js' */
import { niceStep, svg } from '../shared/svg.js';
import { milliseconds, ratio, speed } from './report.js';

/** The chart: horizontal bars, a group for each workload and a bar for each engine, as SVG in units of CSS pixels. */

const BAR = 15;
const BAR_GAP = 4;
const TITLE = 20;
const GROUP_GAP = 14;
const AXIS = 26;
const LABEL = 140; // room for the figures right of the longest bar

/**
 * Returns the chart.
 *
 * @param {Comparison} comparison
 * @param {{ view: 'speed' | 'time', names: { [engine: string]: string }, width: number }} options
 */
export function drawChart(comparison, { view, names, width }) {
  const { engines, peak, rows } = comparison;
  // the scale
  const room = Math.max(60, width - LABEL);
  const limit = peak * engines[0].threads;
  const fastest = Math.max(limit, ...rows.flatMap((row) => engines.map(({ id }) => speed(row, id) ?? 0)));
  const axis = view === 'speed' ? AXIS : 0;

  // the groups
  let top = axis;
  const groups = rows.map((row) => {
    const slowest = Math.max(...Object.values(row.timings).map((timing) => timing?.ms ?? 0));
    const group = svg('g', { transform: `translate(0 ${top})` },
      svg('text', { class: 'group', x: 0, y: 13 }, svg('tspan', { class: 'kind' }, row.kind), ` ${row.description}`));
    let offset = TITLE;
    for (const [i, { id }] of engines.entries()) {
      const timing = row.timings[id];
      if (!timing) continue;
      const share = view === 'speed' ? (speed(row, id) ?? 0) / fastest : timing.ms / slowest;
      const length = Math.max(1.5, share * room);
      group.append(
        svg('rect', { class: `bar engine-${i}`, x: 0, y: offset, width: length, height: BAR, rx: 2 },
          svg('title', {}, names[id])),
        svg('text', { class: 'figure', x: length + 7, y: offset + BAR - 3 }, ...figures(row, engines[0].id, id)));
      offset += BAR + BAR_GAP;
    }
    top += offset - BAR_GAP + GROUP_GAP;
    return group;
  });
  // the chart around them
  const height = Math.max(axis, top - GROUP_GAP + 2);
  const chart = svg('svg', {
    width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': summary(comparison, names),
  });
  if (view === 'speed') chart.append(drawAxis(fastest, limit, room, height));
  chart.append(...groups);
  return chart;
}

/**
 * Returns the axis with a line at the peak.
 *
 * @param {number} fastest  the value at the right end
 * @param {number} limit  the peak
 * @param {number} room
 * @param {number} height
 */
function drawAxis(fastest, limit, room, height) {
  const place = (/** @type {number} */ value) => (value / fastest) * room;
  const step = niceStep(fastest, room > 420 ? 8 : 4);
  const group = svg('g', { class: 'axis' });
  for (let value = 0; value <= fastest; value += step) {
    group.append(svg('line', { x1: place(value), x2: place(value), y1: AXIS - 8, y2: height }));
    // A tick too close to the peak has no label.
    if (Math.abs(place(value) - place(limit)) > 34) {
      const anchor = value === 0 ? 'start' : 'middle';
      group.append(svg('text', { x: place(value), y: 11, 'text-anchor': anchor }, String(value)));
    }
  }
  group.append(
    svg('line', { class: 'peak', x1: place(limit), x2: place(limit), y1: AXIS - 10, y2: height }),
    svg('text', { class: 'peak', x: place(limit), y: 11, 'text-anchor': 'middle' }, `peak ${limit.toFixed(0)}`));
  return group;
}

/**
 * Returns the figures beside a bar: the time and, for other engines, the ratio.
 *
 * @param {Row} row
 * @param {string} first
 * @param {string} id
 */
function figures(row, first, id) {
  const timing = row.timings[id];
  const parts = [svg('tspan', { class: 'ms' }, `${milliseconds(timing?.ms ?? NaN)} ms`)];
  const times = ratio(row, first, id);
  if (id !== first && times !== null) parts.push(svg('tspan', { class: 'ratio', dx: 6 }, comparative(times)));
  return parts;
}

/** Says how much slower or faster an engine is. @param {number} times */
function comparative(times) {
  if (times >= 1.05) return `${times.toFixed(1)}× slower`;
  return times <= 0.95 ? `${(1 / times).toFixed(1)}× faster` : 'the same';
}

/**
 * Describes the chart in words. The table below it has every figure.
 *
 * @param {Comparison} comparison
 * @param {{ [engine: string]: string }} names
 */
function summary({ engines: [first, ...others], rows }, names) {
  const count = `${rows.length} ${rows.length === 1 ? 'workload' : 'workloads'}`;
  const against = others.length ? `, beside ${others.map(({ id }) => names[id]).join(' and ')}` : '';
  return `Bars of ${count} on ${names[first.id]}${against}; the table below has the same figures.`;
}
