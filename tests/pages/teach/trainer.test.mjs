// The lessons of "Teach it", without the page: their contents, and the memory that they free if a step fails.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { heapOf } from '../../../web/dynakernel/runtime.js';
import { Random } from '../../../web/shared/random.js';
import { PUPILS } from '../../../web/teach/pupils.js';
import { Trainer } from '../../../web/teach/trainer.js';
import { loadRuntime } from '../../helpers.mjs';

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

const lesson = {
  kind: 'picture', effects: ['blur', 'sobel'], model: null, pupils: ['dynamic', 'single'], focus: 'dynamic',
  numKernels: 2, kernelSize: 3, seed: 1, channel: 0,
};
const everyone = PUPILS.map(({ id }) => id);
const tuning = { optimizer: 'adam', lr: 0.02, schedule: 'cosine', steps: 100 };

function photo(seed) {
  const random = new Random(seed);
  const side = 32;
  return { name: `photo ${seed}`, data: Uint8ClampedArray.from({ length: side * side * 4 }, () => random.below(256)), side };
}
const photos = [photo(1), photo(2)];

/** Repeats the work. In round n the nth call of a runtime's method fails. Stops when the work succeeds. */
function failEachTime(runtime, method, work) {
  const original = runtime[method];
  let failures = 0;
  try {
    for (let n = 1; ; n++) {
      let calls = 0;
      runtime[method] = (...values) => {
        if (++calls === n) throw new Error(`call ${n} of ${method}`);
        return original.apply(runtime, values);
      };
      try {
        work();
        return failures;
      } catch (error) {
        assert.equal(error.message, `call ${n} of ${method}`);
        failures++;
      }
    }
  } finally {
    delete runtime[method];
  }
}

test('a lesson that cannot be given gives its memory back', () => {
  const live = heapOf(dk).live;
  const methods = [
    'zeros', 'tensor', 'fromImage', 'dynamicKernelAggregation', 'kernelAggregation', 'dyConv2d', 'condConv2d', 'routing',
    'odConv2d',
  ];
  for (const method of methods) {
    const failures = failEachTime(dk, method, () => {
      try {
        new Trainer(dk, { ...lesson, pupils: everyone }, photos, tuning).dispose();
      } finally {
        assert.equal(heapOf(dk).live, live, method);
      }
    });
    assert.ok(failures > 0, method);
  }
  const unknown = { ...lesson, effects: ['blur', 'unknown'] };
  assert.throws(() => new Trainer(dk, unknown, photos, tuning), /there is no effect unknown; expected one of blur/);
  assert.equal(heapOf(dk).live, live, 'an effect that is not there');
});

test('a block whose batch norm cannot be fitted is given back', () => {
  const live = heapOf(dk).live;
  const attention = dk.kernelAttention({ channels: 3 });
  const { prototype } = attention.constructor;
  attention.dispose();
  const { forward } = prototype;
  prototype.forward = () => {
    throw new Error('no forward pass');
  };
  try {
    assert.throws(() => new Trainer(dk, lesson, photos, tuning), /no forward pass/);
  } finally {
    prototype.forward = forward;
  }
  assert.equal(heapOf(dk).live, live);
});

test('a look at the blocks costs the steps nothing', () => {
  const trainer = new Trainer(dk, { ...lesson, pupils: everyone }, photos, tuning);
  trainer.begin();
  trainer.advance();
  trainer.snapshot();
  trainer.advance();
  const [{ block: { block } }] = trainer.learners;
  const live = heapOf(dk).live;
  const allocate = heapOf(dk).allocate;
  const sizes = [];
  heapOf(dk).allocate = function (bytes, what) {
    sizes.push(what);
    return allocate.call(this, bytes, what);
  };
  trainer.snapshot();
  trainer.advance();
  delete heapOf(dk).allocate;
  assert.ok(!sizes.some((what) => /record/.test(what)), `allocated: ${sizes}`);
  assert.equal(heapOf(dk).live, live);
  assert.ok([block, block.attention, block.aggregation].every(({ requiresGrad }) => requiresGrad));
  trainer.dispose();
});

test('a look that fails leaves the block as it can be trained', () => {
  const trainer = new Trainer(dk, lesson, photos, tuning);
  trainer.begin();
  trainer.advance();
  const [{ block: { block } }] = trainer.learners;
  const { aggregation } = block;
  aggregation.forward = () => {
    throw new Error('no forward pass');
  };
  assert.throws(() => trainer.snapshot(), /no forward pass/);
  delete aggregation.forward;
  assert.equal(trainer.advance(), true);
  assert.ok([block, aggregation].every(({ requiresGrad }) => requiresGrad));
  trainer.dispose();
});

test('every kind learns, from the same seed, data and steps as alone', () => {
  const train = (pupils) => {
    const trainer = new Trainer(dk, { ...lesson, pupils, focus: pupils[0] }, photos, { ...tuning, steps: 60 });
    trainer.begin();
    const losses = [];
    for (let step = 0; step < 60; step++) {
      assert.equal(trainer.advance(), true);
      if (step % 20 === 7) losses.push(...trainer.snapshot().losses);
    }
    trainer.dispose();
    return losses;
  };
  const together = train(everyone);
  everyone.forEach((id, i) => {
    const [first, last] = [together[0].losses[i], together.at(-1).losses[i]];
    assert.ok(last < first / 2, `${id}: from ${first} to ${last}`);
    assert.deepEqual(train([id]).map(({ losses: [loss] }) => loss), together.map(({ losses }) => losses[i]), id);
  });
});

test('the temperature of DyConv falls while it trains, never rises, and begins again with the lesson', () => {
  const trainer = new Trainer(dk, { ...lesson, pupils: ['dyconv', 'odconv'] }, photos, { ...tuning, steps: 110 });
  const temperature = () => trainer.snapshot().pupils.map((pupil) => pupil.temperature);
  assert.deepEqual(temperature(), [34, 1]);
  trainer.begin();
  for (let step = 0; step < 6; step++) trainer.advance();
  assert.deepEqual(temperature(), [19, 1]);
  trainer.tune({ ...trainer.tuning, steps: 1100 });
  trainer.advance();
  assert.deepEqual(temperature(), [19, 1]);
  for (let step = 0; step < 110; step++) trainer.advance();
  assert.deepEqual(temperature(), [1, 1]);
  trainer.reset(2);
  assert.deepEqual(temperature(), [34, 1]);
  trainer.dispose();
});

test('a block of every kind is imitated', () => {
  for (const kind of ['dynamic', 'dyconv', 'condconv', 'odconv']) {
    const config = {
      inChannels: 3, outChannels: 5, kernelSize: 3, stride: 2, padding: 1, dilation: 1, groups: 1, bias: kind !== 'odconv',
      numKernels: 3, seed: 4,
    };
    const model = { title: kind, kind, config };
    const trainer = new Trainer(dk, { ...lesson, kind: 'model', effects: [], model }, photos, tuning);
    const { wanted, wantedNames, outChannels } = trainer.classroom();
    assert.deepEqual([wanted.count, wantedNames.length, outChannels], [3, 3, 5], kind);
    trainer.begin();
    assert.equal(trainer.advance(), true);
    trainer.dispose();
  }
});
