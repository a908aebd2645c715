// The lessons of "Teach it", without the page: their contents, and the memory that they free if a step fails.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { heapOf } from '../../../web/dynakernel/runtime.js';
import { Random } from '../../../web/shared/random.js';
import { Trainer } from '../../../web/teach/trainer.js';
import { loadRuntime } from '../../helpers.mjs';

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

const lesson = {
  kind: 'picture', effects: ['blur', 'sobel'], model: null, numKernels: 2, kernelSize: 3, seed: 1, channel: 0,
};
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
  for (const method of ['zeros', 'tensor', 'fromImage', 'dynamicKernelAggregation', 'kernelAggregation']) {
    const failures = failEachTime(dk, method, () => {
      try {
        new Trainer(dk, lesson, photos, tuning).dispose();
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

test('a look at the block costs the steps nothing', () => {
  const trainer = new Trainer(dk, lesson, photos, tuning);
  trainer.begin();
  trainer.advance();
  trainer.snapshot();
  const { block } = trainer.dynamic;
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
  const { aggregation } = trainer.dynamic.block;
  aggregation.forward = () => {
    throw new Error('no forward pass');
  };
  assert.throws(() => trainer.snapshot(), /no forward pass/);
  delete aggregation.forward;
  assert.equal(trainer.advance(), true);
  assert.ok([trainer.dynamic.block, aggregation].every(({ requiresGrad }) => requiresGrad));
  trainer.dispose();
});
