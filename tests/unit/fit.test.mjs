// The planner's constants, and how bench/planner fits them.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fitConstants, meanExcess, readConstants } from '../../bench/planner/fit.mjs';
import { nonNegativeLeastSquares } from '../../bench/planner/least-squares.mjs';
import { Random } from '../../web/shared/random.js';

test('every constant is a number that a cost function counts', () => {
  const folder = new URL('../../src/convolution/', import.meta.url);
  const sources = readdirSync(folder).filter((file) => file.endsWith('.c'))
    .map((file) => readFileSync(new URL(file, folder), 'utf8')).join('\n');
  const constants = Object.entries(readConstants());
  assert.ok(constants.length > 20);
  for (const [name, value] of constants) {
    assert.ok(value >= 0 && Number.isFinite(value), `${name} is ${value}`);
    assert.match(sources, new RegExp(`\\b${name}\\b`), `no cost function counts ${name}`);
  }
});

test('least squares without negative numbers', () => {
  const random = new Random(1);
  const A = Array.from({ length: 40 }, () => [1, 100, 0.01].map((scale) => scale * random.next()));
  const exact = nonNegativeLeastSquares(A, A.map(([a, b, c]) => 3 * a + 0.5 * b + 200 * c));
  for (const [i, expected] of [3, 0.5, 200].entries()) assert.ok(Math.abs(exact[i] / expected - 1) < 1e-4, `${exact}`);

  // If the best coefficient would be negative, it is zero, and the others fit best with it at zero.
  const [first, second] = nonNegativeLeastSquares([[1, 0], [0, 1], [1, 1]], [2, -1, 2]);
  assert.ok(Math.abs(first - 2) < 1e-6 && second === 0, `${first}, ${second}`);
});

test('the fit recovers constants from times, and chooses by them', () => {
  const random = new Random(2);
  const truth = [2, 5, 3, 40];
  const samples = Array.from({ length: 60 }, () => {
    const size = 10 + 1000 * random.next(), channels = 1 + 20 * random.next();
    const counts = { a: [size * channels, channels, 0, 0], b: [0, 0, size * channels, 1].map((n) => n * 1.2) };
    const weights = 500 * random.next();
    const time = (count) => 100 + 0.5 * weights + count.reduce((sum, value, i) => sum + value * truth[i], 0);
    return { counts, weights, importance: 1 + random.below(3), nanoseconds: { a: time(counts.a), b: time(counts.b) } };
  });
  const { constants, call, mixing, error } = fitConstants(samples, ['A', 'B', 'C', 'D']);
  assert.ok(Math.abs(call - 100) < 20 && error < 0.01, `${call} ${error}`);
  assert.ok(Math.abs(mixing - 0.5) < 0.1, `${mixing}`);
  assert.ok(Math.abs(constants.A - 2) < 0.01 && Math.abs(constants.C - 3) < 0.01, JSON.stringify(constants));
  assert.ok(meanExcess(samples, Object.values(constants)) < 1e-3);
  assert.ok(meanExcess(samples, [9, 5, 3, 40]) > 0.1, 'wrong constants choose worse');
});
