// `npm start`: installs and builds what is missing, then serves the demo pages.
import { parseArgs } from 'node:util';
import { build, fail, installPackages, requireNode } from './project.mjs';

const usage = `usage: npm start [-- --port N]

Serves the demo pages on port 8080, or the next free one. --port, or PORT in the environment, chooses another.`;

const defaultPort = 8080;
const attempts = 20;

requireNode();
const { port: asked, first } = readPort();
if (!installPackages()) fail("The development packages cannot be installed: see npm's message above.");
if (build('wasm') !== 0) fail('The WebAssembly cannot be built: see the message above.');

const { serve } = await import('./serve.mjs');
const { url } = await listen();
console.log(`dynakernel is served at ${url} (Ctrl+C ends it)`);

/** The first free port from `first` on, or only that one where it was asked for. */
async function listen() {
  for (let port = first; ; port++) {
    try {
      return await serve({ port });
    } catch (error) {
      if (asked && error.code === 'EADDRINUSE') fail(`Port ${port} is in use: choose another with --port.`);
      if (error.code === 'EADDRINUSE' && port < first + attempts) continue;
      fail(`Cannot serve on port ${port}: ${error.message}.`);
    }
  }
}

function readPort() {
  let values;
  try {
    ({ values } = parseArgs({ options: { port: { type: 'string' }, help: { type: 'boolean' } } }));
  } catch (error) {
    fail(`${error.message}\n${usage}`);
  }
  if (values.help) {
    console.log(usage);
    process.exit();
  }
  const text = values.port ?? process.env.PORT;
  const port = text ? Number(text) : defaultPort;
  if (!Number.isInteger(port) || port < 0 || port > 65535) fail(`'${text}' is no port: give a number from 0 to 65535.`);
  return { port: Boolean(text), first: port };
}
