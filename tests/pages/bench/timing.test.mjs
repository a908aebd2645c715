// The order in which contestants run. Speed is not tested.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { timeInTurn } from '../../../web/bench/timing.js';

describe('timing', () => {
  it('runs the contestants in turn, every other round backwards', async () => {
    let order = '';
    let counting = false;
    const contestant = (letter) => ({
      run() {
        if (counting) order += letter;
        const end = performance.now() + 1.5; // longer than the shortest sample, so each sample is one run
        while (performance.now() < end);
      },
    });
    const rounds = [];
    const between = () => {
      rounds.push(order);
      order = '';
      counting = true; // from the second round on, after the warm-up
    };
    const timings = await timeInTurn([contestant('a'), contestant('b')], { warmUp: 0, budget: 0, rounds: 5 }, between);
    assert.deepEqual(rounds.slice(1), ['ba', 'ab', 'ba', 'ab']);
    assert.deepEqual(timings.map(({ samples, burst }) => [samples, burst]), [[5, 1], [5, 1]]);
    for (const { low, ms, high } of timings) assert.ok(low >= 1.5 && low <= ms && ms <= high);
  });

  it('takes the samples by the given clock', async () => {
    let time = 0;
    const slow = { run() { for (const end = performance.now() + 1.5; performance.now() < end;); time += 7; } };
    const [{ low, ms, high }] = await timeInTurn([slow], { warmUp: 0, budget: 0, rounds: 3 }, undefined, () => time);
    assert.deepEqual([low, ms, high], [7, 7, 7]);
  });
});
