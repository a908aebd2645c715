// docs/growth.md and its plots, from the figures of a run of --growth. A test compares the files with the figures.
import { loadNotes } from '../machine.mjs';
import { drawPlot } from './plot.mjs';

/** @typedef {import('../growth.mjs').Growth} Growth */
/** @typedef {import('../growth.mjs').MeasuredLine} MeasuredLine */
/** @typedef {import('../growth.mjs').Plot} Plot */

export const PAGE = 'docs/growth.md';

const LINE_LENGTH = 120;

/** Of the plot "size". */
const CHANNELS = 64;

/** Layers that take less are short: handing them to threads costs as much as it saves. */
const LONG_MS = 0.5;

/** The page, its figures and its plots, by path. @param {Growth} data @returns {{ [path: string]: string }} */
export function pageFiles(data) {
  return {
    [PAGE]: wrapped(page(data)),
    'docs/growth/growth.json': `${JSON.stringify(data, null, 1)}\n`,
    ...Object.fromEntries(data.plots.map((plot) => [`docs/growth/${plot.id}.svg`, drawPlot(specOf(plot, data.threads))])),
  };
}

/** Breaks the lines of paragraphs; headings, images and tables stay. @param {string} markdown */
const wrapped = (markdown) => markdown.split('\n\n').map((block) => {
  if (/^[#|!]/.test(block)) return block;
  const lines = [''];
  for (const word of block.trim().split(/\s+/)) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (longer.length > LINE_LENGTH) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines.join('\n');
}).join('\n\n');

/** @param {Plot} plot @param {number} threads @returns {import('./plot.mjs').PlotSpec} */
function specOf({ id, title, axis, lines }, threads) {
  if (id === 'threads') {
    return {
      title: `${threads} threads over one`, xAxis: 'milliseconds of the layer on one thread', yAxis: 'times as fast',
      linear: true, mark: 1,
      lines: lines.map(({ name, points }) => ({ name, points: points.map(({ x, ms }) => ({ x, y: x / ms })).sort((a, b) => a.x - b.x) })),
    };
  }
  const sides = (/** @type {number} */ x) => (id === 'size' ? `${Math.sqrt(x)}²` : String(x));
  const hasLimits = lines.some(({ points }) => points[0].limit !== undefined);
  return {
    title, xAxis: axis, yAxis: 'milliseconds',
    ticks: lines[0].points.map(({ x }) => ({ x, label: sides(x) })),
    ...(hasLimits ? { limitName: 'the limit: a direct convolution at the peak' } : {}),
    lines: lines.map(({ name, points }) => ({
      name, points: points.map(({ x, ms }) => ({ x, y: ms })),
      ...(hasLimits ? { limit: points.map(({ x, limit }) => ({ x, y: limit })) } : {}),
    })),
  };
}

/** @param {Growth} data */
function page(data) {
  const { engine, environment, limits, date } = data;
  const sections = {
    size: sizeSection, channels: channelsSection, kernels: kernelsSection, batch: batchSection, threads: threadsSection,
    layers: layersSection,
  };
  return `# How cost grows

How long a dynamic convolution takes, against each of its sizes, and what bounds it. \`npm run bench -- --growth --publish\`
measures everything here in one run and writes this page; each layer is timed in turn with the others of its plot, and a
figure is the median. Times are of the whole block, attention and mixing included, with the input and the output in the
module's memory. They are processor time, which the work of other programs is no part of; only the plot of threads has real
time, of the quickest tenth of the runs. K is the number of kernels that are mixed.

${engine}, ${environment.engine}, ${environment.machine}, ${environment.system}, ${date.slice(0, 10)}.
${loadNotes(environment).map((note) => `${note} That matters to the plot of threads most.`).join('')}

## The machine's limits

| one thread | measured |
| --- | ---: |
| multiply-add, in registers | ${limits.peak.toFixed(1)} GFLOP/s |
| reading memory | ${limits.read.toFixed(1)} GB/s |
| reading the L2 cache | ${limits.cached.toFixed(1)} GB/s |
| copying memory | ${limits.copy.toFixed(1)} GB/s |

The dotted lines are a layer's limit: the longer of two times, that of a direct convolution's arithmetic at the first
figure, and that of its bytes (the input, the output and all K kernels, once) at the second. A time below its dotted line
is no error: Winograd's and Toom-Cook's algorithms need fewer multiplications than the direct one. If a table has a last
column "of the limit", it divides the time at the right end by its limit.

${data.plots.map((plot) => sections[plot.id](plot, data)).join('\n\n')}
`;
}

/** @param {Plot} plot @param {Growth} data */
function sizeSection(plot, { limits }) {
  const depthwise = plot.lines[2];
  const moved = (CHANNELS * 4 * last(depthwise).x) / last(depthwise).ms / 1e6;
  const pixels = (last(plot.lines[0]).x / plot.lines[0].points[0].x).toFixed(0);
  const growth = plot.lines.map((line) => `${line.name} takes ${ratio(last(line).ms / line.points[0].ms)} times as long`);
  const [dense] = plot.lines;
  return `${heading(plot)}

From the smallest image to the largest there are ${pixels} times the pixels, and ${list(growth)}. Large images cost as much as
their pixels. Small ones cost more than that, because the kernels are mixed once for each image, however small it is: the
3×3 layer on the smallest image takes ${ratio(dense.points[0].ms / dense.points[0].limit)} times its limit, on the largest ${ratio(last(dense).ms / last(dense).limit)} times. A depthwise layer has 18 operations for each number that it reads, so memory
bounds a large one: it turns ${ratio(moved)} GB of input a second into output on the largest image, where a copy loop reaches ${ratio(limits.copy)}.
${boundText(plot)}

${table(plot, (x) => `${Math.sqrt(x)}²`)}`;
}

/** @param {Plot} plot */
function channelsSection(plot) {
  const [dense, pointwise, depthwise] = plot.lines;
  const doubled = (/** @type {MeasuredLine} */ { points }) => ratio(points.at(-1).ms / points.at(-2).ms);
  return `${heading(plot)}

Twice the channels are four times the multiplications of a dense layer and twice those of a depthwise one. The last
doubling makes 3×3 take ${doubled(dense)} times as long, 1×1 ${doubled(pointwise)} times, and depthwise ${doubled(depthwise)} times.
With few channels, what each call costs by itself weighs more: ${ratio(dense.points[0].ms * 1000)} µs for 3×3 with ${dense.points[0].x} channels.
${boundText(plot)}

${table(plot)}`;
}

/** @param {Plot} plot @param {Growth} data */
function kernelsSection(plot, { limits }) {
  const costs = plot.lines.map((line) => `${ratio(last(line).ms / line.points[0].ms)} times on ${line.name}`);
  const speeds = plot.lines.slice(0, 2).map((line) => `${ratio(bankSpeed(line))} GB/s on ${line.name}`);
  return `${heading(plot)}

The convolution runs once for any K: only the mixing grows. It reads all K kernels and writes one. K = ${last(plot.lines[0]).x} takes, beside
K = 1, ${list(costs)}. Each further kernel is a read of its numbers and a multiply-add for each. The time that it adds
amounts to a speed of ${list(speeds)}. Reading memory reaches ${limits.read.toFixed(0)} GB/s here and the L2 cache ${limits.cached.toFixed(0)} GB/s,
so memory bounds the large banks, and mixing costs little if the image has many pixels for each of the kernels' numbers.

${table(plot)}`;
}

/** The speed of reading that the time of a further kernel amounts to, in GB/s. @param {MeasuredLine} line */
function bankSpeed({ kernelBytes, points }) {
  const [first, final] = [points[0], points[points.length - 1]];
  return (kernelBytes * (final.x - first.x)) / (final.ms - first.ms) / 1e6;
}

/** @param {Plot} plot */
function batchSection(plot) {
  const perImage = plot.lines.map((line) =>
    `${ratio(last(line).ms / last(line).x / line.points[0].ms)} times for ${line.name}`);
  return `${heading(plot)}

Every image has its own attention, so its own kernels are mixed. In a batch of ${last(plot.lines[0]).x}, an image takes, beside one alone,
${list(perImage)}. More than 1 means that the batch's images no longer fit a cache together.
${boundText(plot)}

${table(plot)}`;
}

/** @param {Plot} plot @param {Growth} data */
function threadsSection(plot, { threads }) {
  const points = plot.lines.flatMap((line) => line.points);
  const mean = (/** @type {typeof points} */ chosen) =>
    (chosen.length === 0 ? '-' : Math.exp(chosen.reduce((sum, { x, ms }) => sum + Math.log(x / ms), 0) / chosen.length).toFixed(2));
  const long = points.filter(({ x }) => x > LONG_MS);
  const short = points.filter(({ x }) => x <= LONG_MS);
  return `${heading(plot)}

The layers of the first plot on ${threads} threads, beside one. The ${long.length} that take more than ${LONG_MS} ms on one thread are ${mean(long)} times as
fast, by the geometric mean, and the ${short.length} shorter ones ${mean(short)} times. Waking another thread costs some microseconds, which
a short layer does not save; depthwise layers of large images wait for memory, which the threads share.

| layer | ${plot.lines[0].points.map((_, i) => `size ${i + 1}`).join(' | ')} |
| --- | ${plot.lines[0].points.map(() => '---:').join(' | ')} |
${plot.lines.map((line) => `| ${line.name}, times as fast | ${line.points.map(({ x, ms }) => (x / ms).toFixed(2)).join(' | ')} |`).join('\n')}`;
}

/** @param {Plot} plot */
function layersSection(plot) {
  const costs = plot.lines.map(({ name, points }) => {
    const [first, final] = [points[0], points[points.length - 1]];
    return `${milliseconds((final.ms - first.ms) / (final.x - first.x))} ms for each further layer of "${name}", where one alone takes ${milliseconds(first.ms)} ms`;
  });
  return `${heading(plot)}

A network costs what its layers cost, one after the other: ${list(costs)}. The layers of a network run in one call of the
module, so that the call itself is paid once, and their inner values take turns in a memory that stays in the caches.

${table(plot)}`;
}

/** @param {Plot} plot */
const heading = ({ id, title }) => `## ${title}\n\n![${title}: a plot of milliseconds; the table below has its figures](growth/${id}.svg)`;

/** Says which limit the largest layers have. @param {Plot} plot */
function boundText({ lines }) {
  const names = (/** @type {string} */ bound) => lines.filter((line) => last(line).bound === bound).map(({ name }) => name);
  const sentences = [['arithmetic', 'Arithmetic'], ['memory', 'Memory']].flatMap(([bound, subject]) =>
    (names(bound).length > 0 ? [`${subject} is the limit at the right end of ${list(names(bound))}.`] : []));
  return sentences.join(' ');
}

/** @param {Plot} plot @param {(x: number) => string} [label] */
function table({ lines }, label = String) {
  const xs = lines[0].points.map(({ x }) => x);
  const hasLimit = lines[0].points[0].limit !== undefined;
  const columns = ['ms', ...xs.map(label), ...(hasLimit ? ['of the limit'] : [])];
  const rows = lines.map((line) => [line.name, ...line.points.map(({ ms }) => milliseconds(ms)),
    ...(hasLimit ? [ratio(last(line).ms / last(line).limit)] : [])]);
  const row = (/** @type {string[]} */ cells) => `| ${cells.join(' | ')} |`;
  return [row(columns), row(columns.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(row)].join('\n');
}

/** @param {MeasuredLine} line */
const last = ({ points }) => points[points.length - 1];

/** @param {number} value */
const ratio = (value) => (value < 10 ? value.toFixed(2) : value.toFixed(0));

/** @param {number} ms */
const milliseconds = (ms) => String(Number(ms.toPrecision(3)));

/** @param {readonly string[]} items */
const list = (items) => (items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`);
