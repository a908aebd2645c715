// `npm run matrix`: runs the package in every tool, browser and engine, and prints README's tables.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../../scripts/project.mjs';
import { everyColumn } from './lib/cells.mjs';
import { runCommand } from './lib/commands.mjs';
import { preparePlace, runEngine, runRow } from './lib/place.mjs';
import { newerNode } from '../../scripts/newer-node.mjs';
import { browserTable, engineTable, readMatrix, replaceMatrix, saidOf } from './lib/table.mjs';
import { unconfigured, whyUnhelpful } from './lib/unconfigured.mjs';
import { openBrowsers } from './lib/visits.mjs';

const usage = `usage: npm run matrix [-- [--write] [--list] [ROW...]]

  ROW       part of a row's name: vite runs vite8-build, vite7-dev, ...; without one, every row runs
  --list    prints the names
  --write   puts the tables into README.md, if every row was run

Installs the pinned tools into build/packages and build/matrix. The exit status is 1 if a cell is not as README says.`;

const { values, positionals } = readArguments();
const readmePath = join(root, 'README.md');
const said = readMatrix(readFileSync(readmePath, 'utf8'));

const started = Date.now();
console.log('packing and installing the package');
const place = await preparePlace();
const wanted = ({ id }) => positionals.length === 0 || positionals.some((part) => id.includes(part));
const rows = place.rows.filter(wanted);
const engines = place.engines.filter(wanted);
const errors = unconfigured(place).filter(wanted);
if (values.list) {
  console.log([...rows, ...engines, ...errors].map(({ id }) => id).join('\n'));
  process.exit();
}
if (rows.length + engines.length + errors.length === 0) fail(`no row is named ${positionals.join(' or ')}`);

/** Cells that differ from README. */
const different = [];
const results = [];
const browsers = rows.length + errors.length > 0 ? await openBrowsers(['chromium', 'firefox']) : undefined;
try {
  for (const row of rows) await showRow(row);
  for (const example of errors) await showError(example);
} finally {
  await browsers?.close();
}
const engineResults = [];
for (const engine of engines) await showEngine(engine);

const tables = [
  await caption(),
  ...results.length > 0 ? [browserTable(results)] : [], ...engineResults.length > 0 ? [engineTable(engineResults)] : [],
].join('\n\n');
console.log(`\n${tables}\n\n${Math.round((Date.now() - started) / 1000)} s`);
if (values.write) write();
if (different.length > 0) {
  console.log(`\nNot as README says:\n${different.join('\n')}`);
  process.exitCode = values.write ? 0 : 1;
}
process.exit(); // some tools leave handles behind

async function showRow(row) {
  console.log(`\n== ${row.id}`);
  const cells = await runRow(row, row.columns ?? everyColumn, browsers, place.expected);
  for (const [column, cell] of Object.entries(cells)) report(row, column, cell);
  const texts = Object.fromEntries(Object.entries(cells).map(([column, { text }]) => [column, text]));
  results.push({ title: row.title, needs: row.needs, cells: texts });
}

async function showError(example) {
  const why = await whyUnhelpful(example, browsers).catch((error) => error.message);
  console.log(`\n== ${example.id}\nthe error  ${why ? `is not as it should be: ${why}` : 'says what to do'}`);
  if (why) different.push(`${example.title}: ${why}`);
}

async function showEngine(engine) {
  console.log(`\n== ${engine.id}`);
  const cell = await runEngine(engine, place.expected);
  report(engine, undefined, cell);
  engineResults.push({ title: engine.title, needs: engine.needs, text: cell.text });
}

function report({ title }, column, { text, why }) {
  console.log(`${(column ?? 'runs').padEnd(10)} ${text}`);
  const expected = saidOf(said, title, column);
  if (expected === text) return;
  different.push(`${title}, ${column ?? 'runs'}: ${text}; README: ${expected ?? 'nothing'}`);
  const indent = ' '.repeat(11);
  for (const reason of new Set(why)) {
    console.log(indent + reason.slice(0, 1500).replaceAll('\n', `\n${indent}`));
  }
}

/** The date of the run, and the versions that it used. */
async function caption() {
  const date = new Date().toLocaleDateString('en-GB', { day: 'numeric', month: 'long', year: 'numeric' });
  const newer = (await runCommand(newerNode(), ['--version'], {})).trim().slice(1);
  const nodes = `Node ${process.versions.node} and ${newer}`;
  return `\`npm run matrix\`, ${date}: ${[...browsers?.versions ?? [], nodes].join(', ')}.`;
}

function write() {
  if (positionals.length > 0) fail('--write is for a run of every row');
  writeFileSync(readmePath, replaceMatrix(readFileSync(readmePath, 'utf8'), tables));
}

function readArguments() {
  try {
    const options = { write: { type: 'boolean' }, list: { type: 'boolean' }, help: { type: 'boolean' } };
    const parsed = parseArgs({ options, allowPositionals: true });
    if (parsed.values.help) {
      console.log(usage);
      process.exit();
    }
    return parsed;
  } catch (error) {
    return fail(`${error.message}\n${usage}`);
  }
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
