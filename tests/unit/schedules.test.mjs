// Learning-rate schedules: at their corners and between them, composed with others, and with refused options.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cosineSchedule, stepSchedule, warmupSchedule } from '../../web/dynakernel/index.js';
import { assertRefused } from '../helpers.mjs';

const close = (actual, expected, what) =>
  assert.ok(Math.abs(actual - expected) <= 1e-12, `${what}: ${actual}, expected ${expected}`);

test('cosine: from lr to least along half a cosine, then least', () => {
  const schedule = cosineSchedule({ lr: 0.1, steps: 100, least: 0.02 });
  for (const [step, rate] of [[0, 0.1], [50, 0.06], [25, 0.06 + 0.04 * Math.SQRT1_2], [75, 0.06 - 0.04 * Math.SQRT1_2],
    [100, 0.02], [101, 0.02], [1e6, 0.02]]) close(schedule(step), rate, `step ${step}`);
  for (let step = 1; step <= 100; step++) assert.ok(schedule(step) < schedule(step - 1), `falls at ${step}`);
  close(cosineSchedule({ lr: 1, steps: 4 })(4), 0, 'least is 0 by default');
});

test('cosine with a warm-up: rises to lr, falls over the rest', () => {
  const schedule = cosineSchedule({ lr: 1, steps: 30, warmup: 10 });
  for (let step = 0; step < 10; step++) close(schedule(step), (step + 1) / 10, `step ${step}`);
  close(schedule(10), 1, 'the top');
  close(schedule(20), 0.5, 'half-way down');
  assert.ok(schedule(29) > 0);
  close(schedule(30), 0, 'the end');
});

test('step: multiplies by factor after every `every` steps', () => {
  const schedule = stepSchedule({ lr: 0.8, every: 3, factor: 0.5 });
  assert.deepEqual([0, 1, 2, 3, 5, 6, 8, 9].map(schedule), [0.8, 0.8, 0.8, 0.4, 0.4, 0.2, 0.2, 0.1]);
  close(stepSchedule({ lr: 1, every: 1 })(2), 0.01, 'a tenth by default');
});

test('warm-up: rises to a rate, or to another schedule', () => {
  const flat = warmupSchedule({ lr: 0.4, warmup: 4 });
  [0.1, 0.2, 0.3, 0.4, 0.4, 0.4].forEach((rate, step) => close(flat(step), rate, `step ${step}`));
  const steps = stepSchedule({ lr: 0.4, every: 2, factor: 0.5 });
  const composed = warmupSchedule({ lr: steps, warmup: 2 });
  assert.deepEqual([0, 1, 2, 3, 4, 5, 6].map(composed), [0.2, 0.4, 0.4, 0.4, 0.2, 0.2, 0.1]);
  assert.deepEqual([0, 1, 2].map(warmupSchedule({ lr: steps, warmup: 0 })), [0.4, 0.4, 0.2]);
  const nested = warmupSchedule({ lr: cosineSchedule({ lr: 1, steps: 10 }), warmup: 5 });
  close(nested(4), 1, 'the top');
  close(nested(15), 0, 'the end');
});

test('a schedule depends on the step only', () => {
  const schedule = cosineSchedule({ lr: 0.1, steps: 50, warmup: 5 });
  const forwards = Array.from({ length: 60 }, (_, step) => schedule(step));
  const backwards = Array.from({ length: 60 }, (_, i) => schedule(59 - i)).reverse();
  assert.deepEqual(backwards, forwards);
});

test('refusals', () => {
  const refuse = (make, options, name) => assertRefused(() => make(options), 'ERR_CONFIG', `${make.name}: ${name}`);
  const makers = [
    [cosineSchedule, { lr: 0.1, steps: 10 }, ['lr', 'least'], ['steps', 'warmup']],
    [stepSchedule, { lr: 0.1, every: 10 }, ['lr', 'factor'], ['every']],
    [warmupSchedule, { lr: 0.1, warmup: 10 }, ['lr'], ['warmup']],
  ];
  for (const [make, options, rates, counts] of makers) {
    for (const value of [-1, NaN, Infinity, '1', null]) {
      for (const name of rates) refuse(make, { ...options, [name]: value }, name);
    }
    for (const value of [-1, 1.5, NaN, '1', null]) {
      for (const name of counts) refuse(make, { ...options, [name]: value }, name);
    }
    for (const value of [undefined, {}]) assertRefused(() => make(value), 'ERR_CONFIG', make.name);
    for (const value of [null, 5, []]) assertRefused(() => make(value), 'ERR_CONFIG', make.name, 'options');
    assertRefused(() => make({ ...options, rate: 1 }), 'ERR_CONFIG', '"rate"');
    const schedule = make(options);
    for (const step of [-1, 0.5, NaN, Infinity, '1', undefined, null, 1n]) {
      assertRefused(() => schedule(step), 'ERR_CONFIG', 'step', 'whole number');
    }
  }
  assertRefused(() => cosineSchedule({ lr: 1, steps: 10, warmup: 10 }), 'ERR_CONFIG', 'steps 10', 'warmup 10');
  assertRefused(() => cosineSchedule({ lr: 1, steps: 0 }), 'ERR_CONFIG', 'steps');
  assertRefused(() => stepSchedule({ lr: 1, every: 0 }), 'ERR_CONFIG', 'every');
  assertRefused(() => stepSchedule({ lr: 1, every: 1, factor: 1.5 }), 'ERR_CONFIG', 'factor', 'from 0 to 1');
});
