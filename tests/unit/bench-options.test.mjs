// The options of `npm run bench`: defaults, choices, and what is refused.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readOptions } from '../../bench/options.mjs';
import { reportName } from '../../bench/reports.mjs';

const bench = fileURLToPath(new URL('../../bench/bench.mjs', import.meta.url));
const web = ['onnxruntime-web', 'tfjs-wasm', 'litert', 'litert-runtime'];

/** What the program prints about wrong options. It ends before it builds anything. */
function refusal(...args) {
  const { status, stderr } = spawnSync(process.execPath, [bench, ...args], { encoding: 'utf8' });
  assert.equal(status, 1, `${args.join(' ')} is refused`);
  return stderr.split('\n')[0];
}

describe('the options of the benchmark', () => {
  it('compare 18 workloads in Node 24 by default', () => {
    const options = readOptions([]);
    assert.deepEqual([options.mode, options.node, options.revectorize, options.threads, options.peers],
      ['compare', '24', false, [1], web]);
    assert.equal(options.workloads.length, 18);
  });

  it('choose the peers of each measurement', () => {
    for (const [args, peers] of [
      [['--browser', 'chromium'], web],
      [['--browser', 'firefox'], ['onnxruntime-web', 'tfjs-wasm']],
      [['--browser', 'firefox', '--peers', 'litert'], ['litert']],
      [['--native'], ['onnxruntime-node']],
      [['--native', '--peers', 'litert,onnxruntime-node'], ['litert', 'onnxruntime-node']],
      [['--networks'], ['onnxruntime-web', 'onnxruntime-node']],
      [['--start'], ['onnxruntime-web']],
      [['--pairs'], []],
      [['--growth'], []],
      [['--peers', 'none'], []],
    ]) assert.deepEqual(readOptions(args).peers, peers, args.join(' '));
  });

  it('choose the engine', () => {
    assert.equal(readOptions(['--node', 'current']).node, 'current');
    assert.equal(readOptions(['--revectorize']).revectorize, true);
    assert.equal(readOptions(['--revectorize', '--browser', 'chromium']).revectorize, true);
    assert.equal(readOptions(['--growth', '--publish']).publish, true);
  });

  it('refuse what does not go together', () => {
    for (const [args, message] of [
      [['--revectorize', '--browser', 'firefox'], /--revectorize is a flag of V8/],
      [['--revectorize', '--planner'], /--revectorize does not go with --planner/],
      [['--revectorize', '--pairs'], /--revectorize does not go with --pairs/],
      [['--publish'], /--publish goes with --growth/],
      [['--node', 'current', '--browser', 'chromium'], /--node goes with measurements in Node/],
      [['--growth', '--pairs'], /separate measurements/],
      [['--growth', '--browser', 'chromium'], /--growth runs in Node/],
      [['--networks', '--peers', 'litert'], /--peers: expected onnxruntime-web, onnxruntime-node; got 'litert'/],
      [['--peers', 'nonesuch'], /--peers: expected .*litert-runtime.*; got 'nonesuch'/],
      [['--node', '/nonesuch/node'], /--node: there is no \/nonesuch\/node/],
    ]) assert.match(refusal(...args), message, args.join(' '));
  });
});

it('reports of other options have other names', () => {
  assert.equal(reportName('node', { threads: 1, simd: 'auto' }), 'node');
  assert.equal(reportName('node', { threads: 2, simd: 'baseline', revectorize: true }), 'node-baseline-2-threads-revectorize');
});
