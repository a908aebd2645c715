/** @import { Point } from './curve.js' */
import { number } from '../shared/format.js';
import { niceStep, svg } from '../shared/svg.js';

/** The chart of the two losses: lines on a logarithmic axis, as SVG in units of CSS pixels. */

const LEFT = 44;
const RIGHT = 58; // room for the figures at the lines' ends
const TOP = 10;
const BOTTOM = 26;

/** The decades of an empty chart. */
const EMPTY = /** @type {const} */ ([-4, 0]);

/** The least distance between the figures at the lines' ends. */
const LABEL_GAP = 15;

/**
 * Returns the chart.
 *
 * @param {readonly Point[]} points
 * @param {{ end: number, width: number, height: number }} options  `end` is the step at the right edge
 */
export function drawChart(points, { end, width, height }) {
  // the scales
  const [low, high] = decades(points);
  const last = Math.max(end, points[points.length - 1]?.step ?? 0, 1);
  const room = Math.max(80, width - LEFT - RIGHT);
  const depth = height - TOP - BOTTOM;
  const x = (/** @type {number} */ step) => LEFT + (step / last) * room;
  const y = (/** @type {number} */ loss) => TOP + ((high - Math.log10(loss)) / (high - low)) * depth;
  const chart = svg('svg', {
    width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': summary(points),
  });
  chart.append(drawAxes({ low, high, last, x, y, right: LEFT + room, height }));
  if (points.length === 0) return chart;

  // the lines
  const ends = /** @type {const} */ (['single', 'dynamic']).map((name) => {
    const path = points.map((point, i) => `${i ? 'L' : 'M'}${x(point.step).toFixed(1)} ${y(point[name]).toFixed(1)}`);
    chart.append(svg('path', { class: `line ${name}`, d: path.join('') }));
    const loss = points[points.length - 1][name];
    return { name, loss, top: y(loss) };
  });

  // the figures at their ends, moved apart and up if they would overlap or leave the chart
  const [upper, lower] = ends.sort((first, second) => first.top - second.top);
  lower.top = Math.max(lower.top, upper.top + LABEL_GAP);
  const over = lower.top - (height - BOTTOM);
  if (over > 0) {
    lower.top -= over;
    upper.top = Math.min(upper.top, lower.top - LABEL_GAP);
  }
  const edge = x(points[points.length - 1].step);
  for (const { name, loss, top } of ends)
    chart.append(svg('text', { class: `end ${name}`, x: edge + 6, y: top + 4 }, number(loss)));
  return chart;
}

/**
 * Returns the powers of ten that enclose every loss, at least two decades apart.
 *
 * @param {readonly Point[]} points
 */
function decades(points) {
  if (points.length === 0) return EMPTY;
  let least = Infinity;
  let most = 0;
  for (const { dynamic, single } of points) {
    least = Math.min(least, dynamic, single);
    most = Math.max(most, dynamic, single);
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
 * @param {readonly Point[]} points
 */
export function summary(points) {
  if (points.length === 0) return 'Loss over the steps: nothing has been learnt yet.';
  const first = points[0];
  const last = points[points.length - 1];
  const fell = (/** @type {'dynamic' | 'single'} */ name) => `from ${number(first[name])} to ${number(last[name])}`;
  return `Loss over ${last.step} steps, on a logarithmic axis. Dynamic block: ${fell('dynamic')}. ` +
    `One-kernel block: ${fell('single')}.`;
}
