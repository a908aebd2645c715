// Tools that do not copy the package's files by default. load()'s error must say what to do.
import { join } from 'node:path';
import { bunRow, esbuildRow, inTools, rollupRow } from './bundler-cells.mjs';
import { appOf } from './cells.mjs';
import { runCommand } from './commands.mjs';
import { printedResult } from './judge.mjs';

/**
 * The error must contain the words.
 *
 * @typedef {object} Case
 * @property {string} id
 * @property {string} title
 * @property {boolean} suite
 * @property {string[]} words
 * @property {(browsers: any) => Promise<any[]>} results
 */

/** @returns {Case[]} */
export function unconfigured(place) {
  const advice = ['dynakernel/inline', "copy the package's dist/dynakernel-*", 'Bundlers'];
  const inPage = (row, word, suite) => ({
    id: row.id,
    title: `${row.title}: the error says what to do`,
    suite,
    words: [...advice, word],
    async results(browsers) {
      const host = await row.open('plain');
      const visits = await browsers.visit(host.url).finally(() => host.close());
      return visits.map(({ page }) => page);
    },
  });
  const forNode = appOf(place, 'packages', 'esbuild-node');
  const title = 'with defaults';
  return [
    inPage(esbuildRow(place, { id: 'esbuild-defaults', title }), 'esbuild', true),
    inPage(rollupRow(place, { id: 'rollup-defaults', title }), 'Rollup', true),
    inPage(bunRow(place, { id: 'bun-defaults', title }), 'Bun', false),
    {
      id: 'esbuild-node',
      title: 'esbuild for Node with defaults: the error says what to do',
      suite: true,
      words: ['dynakernel/inline', '--external:dynakernel'],
      results: async () => [await bundledForNode(forNode, [])],
    },
  ];
}

/** The reason why a case's errors are wrong, or undefined if they are right. */
export async function whyUnhelpful({ results, words }, browsers) {
  for (const { error } of await results(browsers)) {
    if (error?.name !== 'DynakernelError' || error.code !== 'ERR_LOAD') return `it is ${JSON.stringify(error)}`;
    const absent = words.filter((word) => !error.message.includes(word));
    if (absent.length > 0) return `"${error.message}" does not speak of ${absent.join(', ')}`;
  }
  return undefined;
}

/** The result of an app that esbuild has bundled for Node. */
export async function bundledForNode(app, flags) {
  const folder = await app();
  await runCommand(inTools(folder, 'esbuild/bin/esbuild'), ['src/terminal.mjs', '--bundle', '--platform=node',
    '--format=esm', '--outfile=out/app.mjs', ...flags], { cwd: folder });
  return printedResult(await runCommand(process.execPath, [join(folder, 'out/app.mjs')], { cwd: folder }));
}
