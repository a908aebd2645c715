// How the matrix judges the results of browsers and tools.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertQuiet, judgeEngine, judgePage, judgeWorkers, printedResult, wrongness } from './lib/judge.mjs';
import { browserTable, readMatrix, replaceMatrix, saidOf } from './lib/table.mjs';

const sums = { tensor: 1000, 'picture 0': -20, drawn: 5 };
const expected = { sums };
const right = { threads: 1, sums };
const visit = (browser, more = {}) => ({ browser, page: right, worker: right, messages: [], ...more });

test('numbers that are wrong, absent or no numbers are seen', () => {
  assert.equal(wrongness({ sums: { ...sums, 'picture 1': -20.001, tensor: 1000.05 } }, expected), undefined);
  assert.match(wrongness({ sums: { ...sums, tensor: 1001 } }, expected), /tensor is 1001, expected 1000/);
  assert.match(wrongness({ sums: { ...sums, 'picture 1': -21 } }, expected), /picture 1 is -21, expected -20/);
  assert.match(wrongness({ sums: { tensor: 1000, drawn: 5 } }, expected), /picture 0 is undefined/);
  assert.match(wrongness({ sums: { ...sums, drawn: NaN } }, expected), /drawn is NaN/);
  assert.match(wrongness({}, expected), /no result/);
  assert.match(wrongness({ error: { code: 'ERR_LOAD', message: 'why' } }, expected), /ERR_LOAD: why/);
});

test('a page that prints something is not as one that does not', () => {
  const noisy = visit('firefox', { messages: ['warn: this'] });
  assert.equal(judgePage([visit('chromium'), visit('firefox')], expected).text, '1 thread');
  assert.equal(judgePage([visit('chromium'), noisy], expected).text, 'chromium: 1 thread; firefox: 1 thread, warns');
  assert.equal(judgePage([noisy], expected, [/this/]).text, '1 thread');
  assert.equal(judgePage([visit('chromium', { problem: 'late' })], expected).text, 'no');
});

test('workers must be right in every column', () => {
  const wrong = visit('firefox', { worker: { error: { message: 'not loaded' } } });
  assert.equal(judgeWorkers([visit('chromium'), visit('firefox'), visit('firefox')], expected).text, 'yes');
  assert.equal(
    judgeWorkers([visit('chromium'), wrong, visit('chromium'), visit('firefox')], expected).text,
    'chromium: yes; firefox: no',
  );
  assert.equal(judgeWorkers([visit('firefox'), wrong], expected).text, 'no');
});

test('what tools print', () => {
  assertQuiet('built in 2 s');
  assert.throws(() => assertQuiet('1 warning'), { text: 'warns' });
  assert.throws(() => assertQuiet('Error: no such file'), { text: 'warns' });
  assert.deepEqual(printedResult('console.log\n  RESULT {"threads":2}\n'), { threads: 2 });
  assert.throws(() => printedResult('nothing'), { text: 'no' });
  assert.equal(judgeEngine({ threads: 2, sums }, expected).text, 'threads');
});

test('the table is read as it is written', () => {
  const table = browserTable([{ title: 'a tool', needs: '`x`', cells: { plain: '1 thread', worker: 'yes' } }]);
  const readme = replaceMatrix('before\n<!-- npm run matrix -->\nold\n<!-- end of the matrix -->\nafter', table);
  assert.match(readme, /^before[\s\S]*after$/);
  assert.doesNotMatch(readme, /old/);
  const said = readMatrix(readme);
  assert.equal(saidOf(said, 'a tool', 'plain'), '1 thread');
  assert.equal(saidOf(said, 'a tool', 'csp'), '-');
  assert.equal(saidOf(said, 'a tool', 'worker'), 'yes');
  assert.equal(saidOf(said, 'another', 'worker'), undefined);
});
