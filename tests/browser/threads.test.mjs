// Threads in a page: Web Workers, and the reason if one cannot start.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchBrowser } from '../../scripts/browsers.mjs';
import { serve } from '../../scripts/serve.mjs';

let site, browser, page;
before(async () => {
  site = await serve();
  browser = await launchBrowser();
});
after(async () => {
  await browser?.close();
  await site?.close();
});

/** A page of the origin with load(), and the warnings on its console. */
async function open() {
  page = await browser.newPage();
  await page.goto(`${site.url}web/photos/`).catch(() => {}); // any page
  await page.evaluate(async () => {
    const { load } = await import('/web/dynakernel/index.js');
    const warnings = [];
    console.warn = (message) => warnings.push(message);
    Object.assign(window, { load, warnings });
  });
}

test('two threads return the numbers of one', async () => {
  await open();
  const { threads, differences, warnings } = await page.evaluate(async () => {
    const outputs = [];
    const counts = [];
    for (const count of [1, 2]) {
      const dk = await load({ threads: count });
      const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 8, kernelSize: 3, seed: 1 });
      const x = dk.tensor(Float32Array.from({ length: 3 * 200 * 200 }, (_, i) => Math.sin(i)), [1, 3, 200, 200]);
      outputs.push(block.forward(x).toArray());
      counts.push(dk.info.threads);
      dk.dispose();
    }
    return { threads: counts, differences: outputs[0].filter((value, i) => value !== outputs[1][i]).length, warnings };
  });
  assert.deepEqual({ threads, differences, warnings }, { threads: [1, 2], differences: 0, warnings: [] });
});

test('a worker that fails: one thread, and a warning with its message', async () => {
  await open();
  const { threads, warnings } = await page.evaluate(async () => {
    // an empty module: the missing exports make the worker fail
    const module = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
    window.Worker = class extends Worker {
      postMessage(task) {
        super.postMessage({ ...task, module });
      }
    };
    const dk = await load({ threads: 2 });
    return { threads: dk.info.threads, warnings };
  });
  assert.equal(threads, 1);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0], /^dynakernel runs on one thread: .*workers do not start \(.*(undefined|TypeError).*\)/);
});
