// The packed package, installed and built as users do. README's table has the expected result of each tool.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../../scripts/project.mjs';
import { preparePlace, runEngine, runRow } from './lib/place.mjs';
import { readMatrix, saidOf } from './lib/table.mjs';
import { unconfigured, whyUnhelpful } from './lib/unconfigured.mjs';
import { openBrowsers } from './lib/visits.mjs';

const said = readMatrix(readFileSync(join(root, 'README.md'), 'utf8'));
const place = await preparePlace();
let browsers;

before(async () => { browsers = await openBrowsers(['chromium', 'firefox']); });
after(() => browsers?.close());

const reasons = (cell) => `${cell.text}\n${cell.why.join('\n')}`;

test('README says something of every row', () => {
  const missing = [...place.rows, ...place.engines].filter(({ title }) => !said.has(title));
  assert.deepEqual(missing.map(({ title }) => title), []);
  assert.equal(said.size, place.rows.length + place.engines.length + 2, 'and of no other; two lines are titles');
});

for (const row of place.rows.filter(({ suite }) => suite)) {
  test(row.title, async () => {
    const cells = await runRow(row, row.suite, browsers, place.expected);
    for (const [column, cell] of Object.entries(cells)) {
      assert.equal(cell.text, saidOf(said, row.title, column), `${column}: ${reasons(cell)}`);
    }
  });
}

for (const engine of place.engines.filter(({ suite }) => suite)) {
  test(engine.title, async () => {
    const cell = await runEngine(engine, place.expected);
    assert.equal(cell.text, saidOf(said, engine.title), reasons(cell));
  });
}

for (const example of unconfigured(place).filter(({ suite }) => suite)) {
  test(example.title, async () => assert.equal(await whyUnhelpful(example, browsers), undefined));
}
