// Programs that a cell runs, to their end or as servers. Each has its own process group, so no process stays behind.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

/** The environment of a person's terminal, without colours and without the variables that `node --test` adds. */
function environment(extra) {
  const env = {
    ...process.env, NO_COLOR: '1', NEXT_TELEMETRY_DISABLED: '1', WRANGLER_SEND_METRICS: 'false',
    DO_NOT_TRACK: '1', BROWSERSLIST_IGNORE_OLD_DATA: '1', ...extra,
  };
  for (const name of ['FORCE_COLOR', 'NODE_OPTIONS', 'NODE_TEST_CONTEXT', 'NODE_ENV', 'CI']) {
    if (!(name in extra)) delete env[name];
  }
  return env;
}

/** Programs that still run. They end with this process. */
const running = new Set();
process.on('exit', () => running.forEach(endGroup));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

function begin(command, args, { cwd, env = {} }) {
  const child = spawn(command, args, { cwd, env: environment(env), detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const state = { child, output: '', ended: false };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => { state.output += text; });
  }
  child.on('error', (error) => { state.output += `${command}: ${error.message}\n`; });
  running.add(child);
  child.on('close', () => {
    state.ended = true;
    running.delete(child);
  });
  return state;
}

/** Ends the whole process group of a program. */
function endGroup({ pid }) {
  try {
    if (pid) process.kill(-pid, 'SIGKILL');
  } catch {
    // The group has already ended.
  }
}

/**
 * Runs a program to its end.
 *
 * @returns {Promise<string>} its output
 * @throws {Error} with the output, if it fails or takes longer than `seconds`
 */
export async function runCommand(command, args, { seconds = 180, ...options }) {
  const state = begin(command, args, options);
  let late = false;
  const timer = setTimeout(() => { late = true; endGroup(state.child); }, seconds * 1000);
  const [status] = await once(state.child, 'close').catch((error) => [error.message]);
  clearTimeout(timer);
  if (status !== 0) {
    const why = late ? `did not end within ${seconds} s` : `ended with status ${status}`;
    throw new Error(`${[command, ...args].join(' ')} ${why}:\n${state.output}`);
  }
  return state.output;
}

/**
 * Starts a server and waits until it accepts requests.
 *
 * @returns {Promise<{ url: string, output: () => string, close: () => Promise<void> }>}
 */
export async function startServer(command, args, { port, path = '/', seconds = 60, ...options }) {
  const state = begin(command, args, options);
  const url = `http://127.0.0.1:${port}`;
  const close = async () => {
    endGroup(state.child);
    for (let i = 0; i < 50 && !state.ended; i++) await sleep(100);
  };
  for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; await sleep(200)) {
    if (state.ended) throw new Error(`${[command, ...args].join(' ')} ended:\n${state.output}`);
    const answer = await fetch(url + path, { signal: AbortSignal.timeout(30_000) }).catch(() => undefined);
    if (answer) return { url, output: () => state.output, close };
  }
  await close();
  throw new Error(`${[command, ...args].join(' ')} accepts no requests within ${seconds} s:\n${state.output}`);
}
