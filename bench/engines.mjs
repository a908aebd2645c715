// The Node that measures: Node 24, or the one that the options name, with V8's flags.
import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { node24 } from '../scripts/newer-node.mjs';
import { fail, run } from '../scripts/project.mjs';

/** V8's flag that joins pairs of 128-bit operations into 256-bit ones: its name, and the name before V8 15. */
export const REVECTORIZE = ['--wasm-revectorize', '--experimental-wasm-revectorize'];

/**
 * Runs this program again if the options want another Node or other flags than this process has.
 *
 * @param {import('./options.mjs').Options} options
 */
export function useNode({ node, revectorize }) {
  const program = pathOf(node);
  const flags = revectorize ? [revectorizeFlag(program)] : [];
  if (program === process.execPath && flags.every((flag) => process.execArgv.includes(flag))) return;
  // files in the arguments are relative to INIT_CWD
  const env = { ...process.env, INIT_CWD: process.env.INIT_CWD ?? process.cwd() };
  process.exit(run(program, [...flags, ...process.argv.slice(1)], { env }));
}

/** @param {string} node '24', 'current' or a path */
function pathOf(node) {
  if (node === 'current') return process.execPath;
  if (node !== '24') {
    const path = resolve(process.env.INIT_CWD ?? '.', node);
    return existsSync(path) ? realpathSync(path) : fail(`--node: there is no ${path}`);
  }
  return node24() || fail('npm could not install Node 24: see its message above. --node current measures in this Node.');
}

/** The name that a Node has for the flag. @param {string} program */
export function revectorizeFlag(program) {
  const { stdout, error } = spawnSync(program, ['--v8-options'], { encoding: 'utf8' });
  if (error) fail(`--node: ${program} does not start: ${error.message}`);
  return REVECTORIZE.find((flag) => stdout.includes(`${flag} `)) ?? fail(`--revectorize: ${program} has no such flag`);
}
