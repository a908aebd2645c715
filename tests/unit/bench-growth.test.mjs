// docs/growth.md says what docs/growth/growth.json recorded, and plots are drawn at the right places.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { LAYER_PLOTS, bytesOf } from '../../bench/growth/cases.mjs';
import { pageFiles } from '../../bench/growth/page.mjs';
import { drawPlot, linearScale, logScale } from '../../bench/growth/plot.mjs';

const root = new URL('../../', import.meta.url);
const recorded = JSON.parse(readFileSync(new URL('docs/growth/growth.json', root), 'utf8'));

describe('docs/growth.md', () => {
  it('and its plots are those of the recorded figures', () => {
    const files = pageFiles(recorded);
    for (const [path, text] of Object.entries(files)) {
      assert.ok(readFileSync(new URL(path, root), 'utf8') === text, `${path} differs: npm run bench -- --growth --publish writes it`);
    }
    const names = Object.keys(files).filter((path) => path.startsWith('docs/growth/')).map((path) => path.slice(12)).sort();
    assert.deepEqual(readdirSync(new URL('docs/growth/', root)).sort(), names);
  });

  it('changes with the figures', () => {
    const changed = structuredClone(recorded);
    changed.plots.find(({ id }) => id === 'kernels').lines[0].points.at(-1).ms *= 2;
    const [before, after] = [recorded, changed].map(pageFiles);
    const differing = Object.keys(before).filter((path) => before[path] !== after[path]);
    assert.deepEqual(differing.sort(), ['docs/growth.md', 'docs/growth/growth.json', 'docs/growth/kernels.svg']);
  });

  it('has no missing number', () => {
    assert.doesNotMatch(pageFiles(recorded)['docs/growth.md'], /undefined|NaN|Infinity|null/);
  });

  it('leaves the threads out if there was one', () => {
    const single = { ...recorded, threads: 1, plots: recorded.plots.filter(({ id }) => id !== 'threads') };
    const files = pageFiles(single);
    assert.doesNotMatch(files['docs/growth.md'], /## Threads/);
    assert.equal(files['docs/growth/threads.svg'], undefined);
  });
});

describe('what --growth measures', () => {
  it('has the plots of the page', () => {
    const measured = [...LAYER_PLOTS.map(({ id }) => id), 'threads', 'layers'];
    assert.deepEqual(recorded.plots.map(({ id }) => id), measured);
    for (const plot of LAYER_PLOTS) {
      const lines = recorded.plots.find(({ id }) => id === plot.id).lines;
      assert.deepEqual(lines.map(({ name, points }) => [name, points.map(({ x }) => x)]),
        plot.lines.map(({ name, points }) => [name, points.map(({ x }) => x)]), plot.id);
    }
  });

  it('counts the bytes of input, output and kernels', () => {
    const { workload } = LAYER_PLOTS.find(({ id }) => id === 'kernels').lines[0].points[1]; // 3×3, 512 channels, 7×7, K = 2
    assert.equal(bytesOf(workload), 4 * (2 * 512 * 49 + 2 * 512 * 512 * 9));
  });
});

describe('a plot', () => {
  const spec = {
    title: 'A < B & C', xAxis: 'x', yAxis: 'y',
    lines: [
      { name: 'first', points: [{ x: 1, y: 0.1 }, { x: 10, y: 1 }, { x: 100, y: 10 }], limit: [{ x: 1, y: 0.1 }, { x: 100, y: 10 }] },
      { name: 'second', points: [{ x: 1, y: 5 }, { x: 100, y: 5 }] },
    ],
    limitName: 'the limit',
  };

  it('is well-formed, and has a path and a name for each line', () => {
    const svg = drawPlot(spec);
    assert.match(svg, /<title>A &lt; B &amp; C<\/title>/);
    assert.equal([...svg.matchAll(/<path class="line line-\d"/g)].length, 2);
    assert.equal([...svg.matchAll(/<path class="line limit line-\d"/g)].length, 1);
    assert.equal([...svg.matchAll(/<path class="marker/g)].length, 5 + 2, 'each point, and the names');
    for (const name of ['first', 'second', 'the limit']) assert.ok(svg.includes(`>${name}</text>`), name);
    const tags = [...svg.matchAll(/<(\/?)(\w+)[^>]*?(\/?)>/g)].filter((match) => !match[3]);
    const open = [];
    for (const [, closing, tag] of tags) {
      if (closing) assert.equal(open.pop(), tag);
      else open.push(tag);
    }
    assert.deepEqual(open, []);
  });

  it('draws equal ratios as equal lengths, inside its frame', () => {
    const svg = drawPlot(spec);
    const [, d] = /<path class="line line-0" d="([^"]+)"/.exec(svg);
    const points = d.slice(1).split('L').map((point) => point.split(' ').map(Number));
    const [[x0, y0], [x1, y1], [x2, y2]] = points;
    assert.ok(Math.abs((x1 - x0) - (x2 - x1)) < 0.3 && Math.abs((y0 - y1) - (y1 - y2)) < 0.3, d);
    assert.ok(x0 < x1 && y0 > y1, 'larger is right and up');
    const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg).map(Number);
    for (const [x, y] of points) assert.ok(x > 0 && x < width && y > 0 && y < height);
  });

  it('has ticks at powers of ten, at twos and fives of a short axis, and at round numbers from 0', () => {
    assert.deepEqual(logScale([0.004, 30], 0, 1).ticks, [0.01, 0.1, 1, 10]);
    assert.deepEqual(logScale([0.3, 4], 0, 1).ticks, [0.5, 1, 2]);
    assert.deepEqual(linearScale([0.4, 1.9], 0, 1).ticks, [0, 0.5, 1, 1.5]);
    assert.equal(logScale([1, 100], 0, 10).place(10), 5);
    assert.equal(linearScale([2], 10, 0).place(1), 5);
  });
});
