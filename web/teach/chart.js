/** @import { Losses } from './types.js' */
import { number } from '../shared/format.js';
import { niceStep, svg } from '../shared/svg.js';

/** The chart of the losses: lines on a logarithmic axis, as SVG in units of CSS pixels. */

const LEFT = 44;
const RIGHT = 62; // room for the figures at the lines' ends
const TOP = 10;
const BOTTOM = 26;

/** The decades of an empty chart. */
const EMPTY = /** @type {const} */ ([-4, 0]);

/** The least distance between the figures at the lines' ends. */
const LABEL_GAP = 15;

/** A line: the class that gives its colour, and a name for people. @typedef {{ id: string, title: string }} Series */

/**
 * Returns the chart.
 *
 * @param {readonly Losses[]} points
 * @param {readonly Series[]} series  one for each loss of a point
 * @param {{ end: number, width: number, height: number }} options  `end` is the step at the right edge
 */
export function drawChart(points, series, { end, width, height }) {
  // the scales
  const [low, high] = decades(points);
  const last = Math.max(end, points[points.length - 1]?.step ?? 0, 1);
  const room = Math.max(80, width - LEFT - RIGHT);
  const depth = height - TOP - BOTTOM;
  const x = (/** @type {number} */ step) => LEFT + (step / last) * room;
  const y = (/** @type {number} */ loss) => TOP + ((high - Math.log10(loss)) / (high - low)) * depth;
  const chart = svg('svg', {
    width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': summary(points, series),
  });
  chart.append(drawAxes({ low, high, last, x, y, right: LEFT + room, height }));
  if (points.length === 0) return chart;

  // the lines, the first one on top
  const latest = points[points.length - 1];
  const ends = series.map(({ id }, n) => ({ id, loss: latest.losses[n], top: y(latest.losses[n]) }));
  series.map(({ id }, n) => {
    const path = points.map(({ step, losses }, i) =>
      `${i ? 'L' : 'M'}${x(step).toFixed(1)} ${y(losses[n]).toFixed(1)}`);
    return svg('path', { class: `line ${id}`, d: path.join('') });
  }).reverse().forEach((line) => chart.append(line));

  // the figures at their ends
  spread(ends, height - BOTTOM);
  const edge = x(latest.step);
  for (const { id, loss, top } of ends) {
    chart.append(
      svg('circle', { class: `end ${id}`, cx: edge + 4, cy: top, r: 3 }),
      svg('text', { class: 'end', x: edge + 10, y: top + 4 }, number(loss)),
    );
  }
  return chart;
}

/**
 * Moves labels apart if they would overlap, and up if they would leave the chart.
 *
 * @param {{ top: number }[]} labels  sorts them from top to bottom
 * @param {number} bottom
 */
function spread(labels, bottom) {
  labels.sort((first, second) => first.top - second.top);
  let free = -Infinity;
  for (const label of labels) {
    label.top = Math.max(label.top, free);
    free = label.top + LABEL_GAP;
  }
  let limit = bottom;
  for (const label of [...labels].reverse()) {
    label.top = Math.min(label.top, limit);
    limit = label.top - LABEL_GAP;
  }
}

/**
 * Returns the powers of ten that enclose every loss, at least two decades apart.
 *
 * @param {readonly Losses[]} points
 */
function decades(points) {
  if (points.length === 0) return EMPTY;
  let least = Infinity;
  let most = 0;
  for (const { losses } of points) {
    least = Math.min(least, ...losses);
    most = Math.max(most, ...losses);
  }
  const high = Math.ceil(Math.log10(most));
  return [Math.min(high - 2, Math.floor(Math.log10(least))), high];
}

/**
 * Returns the axes with their ticks.
 *
 * @param {{ low: number, high: number, last: number, x: (step: number) => number, y: (loss: number) => number,
 *   right: number, height: number }} scale
 */
function drawAxes({ low, high, last, x, y, right, height }) {
  const group = svg('g', { class: 'axis', 'aria-hidden': 'true' });
  const every = Math.ceil((high - low) / 8);
  for (let power = high; power >= low; power -= every) {
    const top = y(10 ** power);
    group.append(svg('line', { x1: LEFT, x2: right, y1: top, y2: top }), decadeLabel(power, top));
  }
  const distance = Math.max(1, niceStep(last, right - LEFT > 380 ? 5 : 3));
  for (let step = 0; step <= last; step += distance) {
    const anchor = step === 0 ? 'start' : 'middle';
    const text = step === 0 ? 'step 0' : String(step);
    group.append(svg('text', { x: x(step), y: height - 8, 'text-anchor': anchor }, text));
  }
  return group;
}

/**
 * Returns the label of a power of ten.
 *
 * @param {number} power
 * @param {number} top
 */
function decadeLabel(power, top) {
  const place = { x: LEFT - 8, y: top + 4, 'text-anchor': 'end' };
  if (power >= -2 && power <= 2) return svg('text', place, String(10 ** power));
  const exponent = svg('tspan', { dy: -5, class: 'exponent' }, String(power).replace('-', '−'));
  return svg('text', place, '10', exponent);
}

/**
 * Describes the chart in words.
 *
 * @param {readonly Losses[]} points
 * @param {readonly Series[]} series
 */
export function summary(points, series) {
  if (points.length === 0) return 'Loss over the steps: nothing has been learnt yet.';
  const first = points[0];
  const last = points[points.length - 1];
  const fell = series.map(({ title }, n) => `${title}: from ${number(first.losses[n])} to ${number(last.losses[n])}.`);
  return `Loss over ${last.step} steps, on a logarithmic axis. ${fell.join(' ')}`;
}
