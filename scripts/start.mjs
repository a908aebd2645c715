// `npm start`: installs and builds missing parts, then serves the demo pages.
import { build, fail, installPackages, readArguments, requireNode } from './project.mjs';

const usage = `usage: npm start [-- --port N]

Serves the demo pages on port 8080, or on the next free port. --port, or PORT in the environment, chooses another.`;

requireNode();
const { values } = readArguments(usage, { port: { type: 'string' } });
const wanted = values.port ?? process.env.PORT;
const first = Number(wanted || 8080);
if (!Number.isInteger(first) || first < 0 || first > 65535) fail(`'${wanted}' is not a port: expected 0 to 65535.`);
if (!installPackages()) fail("npm could not install the development packages: see its message above.");
if (build('wasm') !== 0) fail('The WebAssembly cannot be built: see the message above.');

const { serve } = await import('./serve.mjs'); // only now: it imports a development package
for (let port = first, site; !site; port++) {
  try {
    site = await serve({ port });
    console.log(`dynakernel is served at ${site.url} (Ctrl+C ends it)`);
  } catch (error) {
    const isLast = wanted || port === first + 19;
    if (error.code !== 'EADDRINUSE' || isLast) fail(`Cannot serve on port ${port}: ${error.message}. Try --port N.`);
  }
}
