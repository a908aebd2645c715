// Runs the programs of tests/native/*.c. Each is built for this machine with sanitizers, and as two WASI modules.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const path = (/** @type {string} */ relative) => fileURLToPath(new URL(`../../${relative}`, import.meta.url));

/** The folder of the programs for this machine. `npm run coverage` names another folder and runs only its programs. */
const native = process.env.DYNAKERNEL_NATIVE ?? 'build/native';

export const variants = process.env.DYNAKERNEL_NATIVE
  ? [`native from ${native}`]
  : ['native with sanitizers', 'wasm baseline', 'wasm relaxed'];

/**
 * Runs one program until it ends.
 *
 * @param {string} name of tests/native/NAME.c
 * @param {string} variant one of `variants`
 * @param {{ args?: string[], input?: Uint8Array }} [options]
 * @returns {{ status: number | null, stdout: Buffer, stderr: string }}
 */
export function runProgram(name, variant, { args = [], input = new Uint8Array() } = {}) {
  const [command, ...firstArgs] =
    variant === variants[0]
      ? [path(`${native}/${name}`)]
      : [process.execPath, '--no-warnings', path('tests/native/wasi.mjs'),
         path(`build/check/${name}-${variant.split(' ')[1]}.wasm`)];
  const { status, stdout, stderr, error } = spawnSync(command, [...firstArgs, ...args], {
    input, maxBuffer: 1 << 30, timeout: 10 * 60_000,
  });
  if (error) throw error;
  return { status, stdout, stderr: stderr.toString() };
}
