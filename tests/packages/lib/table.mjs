// The tables of README's "Runs in": writes them, and reads the present ones.
import { columns } from './servers.mjs';

const begin = '<!-- npm run matrix -->';
const end = '<!-- end of the matrix -->';

/** The titles of the browsers' columns, by the names of their cells. */
export const browserColumns = {
  ...Object.fromEntries(Object.entries(columns).map(([name, { title }]) => [name, title])),
  worker: 'in a worker',
};

const line = (cells) => `| ${cells.join(' | ')} |`;

/** @param {{ title: string, needs?: string, cells: { [column: string]: string } }[]} rows */
export function browserTable(rows) {
  const names = Object.keys(browserColumns);
  return [
    line(['', ...Object.values(browserColumns), 'needs']),
    line(['---', ...names.map(() => '---'), '---']),
    ...rows.map(({ title, needs = '', cells }) => line([title, ...names.map((name) => cells[name] ?? '-'), needs])),
  ].join('\n');
}

/** @param {{ title: string, needs?: string, text: string }[]} rows */
export function engineTable(rows) {
  return [
    line(['', 'runs', 'needs']),
    line(['---', '---', '---']),
    ...rows.map(({ title, needs = '', text }) => line([title, text, needs])),
  ].join('\n');
}

/** README with new text between the two comments. */
export function replaceMatrix(readme, text) {
  const [start, stop] = [readme.indexOf(begin), readme.indexOf(end)];
  if (start < 0 || stop < 0) throw new Error(`README.md has no ${begin} ... ${end}`);
  return `${readme.slice(0, start + begin.length)}\n\n${text}\n\n${readme.slice(stop)}`;
}

/** The cells of README's rows, by title. The last column is left out, because it is advice. */
export function readMatrix(readme) {
  const part = readme.slice(readme.indexOf(begin), readme.indexOf(end));
  const rows = new Map();
  for (const text of part.split('\n').filter((candidate) => candidate.startsWith('| '))) {
    const [title, ...cells] = text.slice(2, -2).split(' | ');
    rows.set(title.trim(), cells.slice(0, -1).map((cell) => cell.trim()));
  }
  return rows;
}

/** README's text for one cell of the browsers' table, or for an engine. */
export function saidOf(said, title, column) {
  const cells = said.get(title);
  if (!cells) return undefined;
  return column === undefined ? cells[0] : cells[Object.keys(browserColumns).indexOf(column)];
}
