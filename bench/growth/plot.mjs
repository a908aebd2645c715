// Draws a plot of lines as an SVG file that follows the reader's light or dark theme.
import { niceStep } from '../../web/shared/svg.js';

/**
 * @typedef {object} PlotLine
 * @property {string} name
 * @property {{ x: number, y: number }[]} points
 * @property {{ x: number, y: number }[]} [limit] a dotted line of the same colour
 */

/**
 * @typedef {object} PlotSpec
 * @property {string} title
 * @property {string} xAxis
 * @property {string} yAxis
 * @property {PlotLine[]} lines at most four
 * @property {boolean} [linear] whether y begins at 0 and is not logarithmic; x is always logarithmic
 * @property {{ x: number, label: string }[]} [ticks] of x; by default the powers of ten
 * @property {string} [limitName] what the dotted lines are
 * @property {number} [mark] a dashed line across the plot
 */

const WIDTH = 480;
const PLOT_HEIGHT = 250;
const MARGIN = { left: 50, right: 18, bottom: 46 };
const TITLE_HEIGHT = 30;
const LEGEND_ROW = 19;

const LIGHT = { paper: '#ffffff', ink: '#1f2328', faint: '#59636e', grid: '#d9dee4', lines: ['#1f5fbf', '#b04a00', '#12733a', '#7a28b8'] };
const DARK = { paper: '#0d1117', ink: '#e6edf3', faint: '#9aa4b0', grid: '#2b323b', lines: ['#79b0ff', '#ffab66', '#62d68f', '#cfa6ff'] };

/** @param {PlotSpec} spec @returns {string} the file */
export function drawPlot(spec) {
  const { title, xAxis, yAxis, lines, linear = false, limitName, mark } = spec;
  const legend = [...lines.map(({ name }) => name), ...(limitName ? [limitName] : [])];
  const top = TITLE_HEIGHT + legend.length * LEGEND_ROW + 30;
  const height = top + PLOT_HEIGHT + MARGIN.bottom;
  const drawn = lines.flatMap(({ points, limit = [] }) => [...points, ...limit]);
  const x = logScale(drawn.map((point) => point.x), MARGIN.left + 8, WIDTH - MARGIN.right - 8);
  const ys = [...drawn.map((point) => point.y), ...(mark === undefined ? [] : [mark])];
  const y = linear ? linearScale(ys, top + PLOT_HEIGHT, top + 8) : logScale(ys, top + PLOT_HEIGHT - 8, top + 8);

  const parts = [
    text(MARGIN.left - 36, 20, title, 'title'),
    ...legend.map((name, i) => legendRow(name, i < lines.length ? i : -1, TITLE_HEIGHT + (i + 0.5) * LEGEND_ROW)),
    ...y.ticks.map((value) => `${rule(MARGIN.left, y.place(value), WIDTH - MARGIN.right, y.place(value), 'grid')}${
      text(MARGIN.left - 6, y.place(value) + 4, number(value), 'tick', 'end')}`),
    ...(spec.ticks ?? x.ticks.map((value) => ({ x: value, label: number(value) }))).map((tick) =>
      `${rule(x.place(tick.x), top + PLOT_HEIGHT, x.place(tick.x), top + PLOT_HEIGHT + 4, 'axis')}${
        text(x.place(tick.x), top + PLOT_HEIGHT + 18, tick.label, 'tick', 'middle')}`),
    rule(MARGIN.left, top + PLOT_HEIGHT, WIDTH - MARGIN.right, top + PLOT_HEIGHT, 'axis'),
    ...(mark === undefined ? [] : [rule(MARGIN.left, y.place(mark), WIDTH - MARGIN.right, y.place(mark), 'mark')]),
    text((MARGIN.left + WIDTH - MARGIN.right) / 2, height - 10, xAxis, 'label', 'middle'),
    text(MARGIN.left - 36, top - 12, yAxis, 'label'),
    ...lines.map(({ limit }, i) => (limit ? path(limit, x, y, `line limit line-${i}`) : '')),
    ...lines.map(({ points }, i) => path(points, x, y, `line line-${i}`) +
      points.map((point) => marker(x.place(point.x), y.place(point.y), i)).join('')),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">
<title>${escape(title)}</title>
<style>${style(LIGHT)}@media (prefers-color-scheme:dark){${style(DARK)}}${FIXED_STYLE}</style>
<rect class="paper" width="${WIDTH}" height="${height}" rx="6"/>
${parts.filter(Boolean).join('\n')}
</svg>
`;
}

/** @typedef {{ place: (value: number) => number, ticks: number[] }} Scale */

/**
 * A logarithmic scale whose ticks are powers of ten. If there are fewer than two, twos and fives are ticks too.
 *
 * @param {readonly number[]} values
 * @param {number} from where the least value lies
 * @param {number} to
 * @returns {Scale}
 */
export function logScale(values, from, to) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const span = Math.log(high / low) || 1;
  const place = (/** @type {number} */ value) => from + (Math.log(value / low) / span) * (to - from);
  const decades = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) decades.push(Number(`1e${power}`));
  const within = (/** @type {number[]} */ ticks) => ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
  const tens = within(decades);
  const ticks = tens.length >= 2 ? tens
    : within(decades.flatMap((decade) => [decade, 2 * decade, 5 * decade].map((tick) => Number(tick.toPrecision(1)))));
  return { place, ticks };
}

/**
 * A scale from 0.
 *
 * @param {readonly number[]} values
 * @param {number} from where 0 lies
 * @param {number} to
 * @returns {Scale}
 */
export function linearScale(values, from, to) {
  const high = Math.max(...values);
  const step = niceStep(high, 5);
  const count = Math.floor(high / step + 1e-9);
  const ticks = Array.from({ length: count + 1 }, (_, i) => Number((i * step).toPrecision(6)));
  return { place: (value) => from + (value / high) * (to - from), ticks };
}

/** @param {{ x: number, y: number }[]} points @param {Scale} x @param {Scale} y @param {string} name of the class */
const path = (points, x, y, name) =>
  `<path class="${name}" d="${points.map((point, i) => `${i === 0 ? 'M' : 'L'}${place(x.place(point.x))} ${place(y.place(point.y))}`).join('')}"/>`;

/** Each line has its own shape, so that colours are not needed. @param {number} x @param {number} y @param {number} line */
function marker(x, y, line) {
  const [a, b] = [place(x), place(y)];
  const shape = [
    `M${a} ${b}m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0`, `M${a} ${b}m-3.5 -3.5h7v7h-7z`, `M${a} ${b}m0 -4.5l4.5 8h-9z`,
    `M${a} ${b}m0 -5l5 5l-5 5l-5 -5z`,
  ][line];
  return `<path class="marker line-${line}" d="${shape}"/>`;
}

/** @param {string} name @param {number} line or -1 for the dotted lines @param {number} y of its middle */
function legendRow(name, line, y) {
  const [from, to] = [14, 44];
  const sample = line < 0 ? rule(from, y, to, y, 'line limit plain') : rule(from, y, to, y, `line line-${line}`) + marker((from + to) / 2, y, line);
  return `${sample}${text(to + 8, y + 4, name, 'name')}`;
}

/** @param {number} x @param {number} y @param {string} content @param {string} name @param {string} [anchor] */
const text = (x, y, content, name, anchor = 'start') =>
  `<text class="${name}" x="${place(x)}" y="${place(y)}"${anchor === 'start' ? '' : ` text-anchor="${anchor}"`}>${escape(content)}</text>`;

/** @param {number} x1 @param {number} y1 @param {number} x2 @param {number} y2 @param {string} name */
const rule = (x1, y1, x2, y2, name) =>
  `<line class="${name}" x1="${place(x1)}" y1="${place(y1)}" x2="${place(x2)}" y2="${place(y2)}"/>`;

/** @param {number} value */
const place = (value) => String(Math.round(value * 10) / 10);

/** A tick's label, without an exponent. @param {number} value */
const number = (value) => (value >= 1000 ? value.toLocaleString('en') : String(value));

/** @param {string} content */
const escape = (content) => content.replace(/[&<>]/g, (letter) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[letter]);

/** @param {typeof LIGHT} colours */
const style = ({ paper, ink, faint, grid, lines }) =>
  `.paper{fill:${paper}}text{fill:${ink}}.tick,.label{fill:${faint}}.grid{stroke:${grid}}.axis,.mark,.plain{stroke:${faint}}` +
  lines.map((colour, i) => `.line-${i}{stroke:${colour}}.marker.line-${i}{fill:${colour}}`).join('');

const FIXED_STYLE = 'text{font:13px system-ui,sans-serif}.title{font-size:15px;font-weight:600}.tick,.label{font-size:12px}' +
  '.line{fill:none;stroke-width:2}.marker{stroke:none}.limit{stroke-width:1.5;stroke-dasharray:2 4}.mark{stroke-dasharray:6 4}';
