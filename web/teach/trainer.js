/** @import { Runtime } from '../dynakernel/index.js' */
/** @import { Classroom, Lesson, Photo, Snapshot, Tuning } from './types.js' */
import { cosineSchedule } from '../dynakernel/index.js';
import { imageOptions } from '../shared/normalisation.js';
import { Random } from '../shared/random.js';
import { example } from './examples.js';
import { Gallery, NORMALISATION } from './gallery.js';
import { Learner, Workspace } from './learner.js';
import { Teacher } from './teacher.js';

/** Examples are made once, as many as a visitor waits for without noticing, and gone through again and again. */
const BATCHES = 8;
const BATCH = 8;
const SIDE = 64;

/**
 * Standard deviation of the noise that is added to examples. Photographs are smooth: without it, hardly anything would
 * say what a kernel should do with fine detail, and the last digits would take very long. The target is computed from
 * the noisy picture, so that it can still be met exactly.
 */
const NOISE = 0.2;

/** Steps over which the learning rate rises, and the share of it that is left at the end of a cosine. */
const WARM_UP = 20;
const LEAST = 0.01;

/** A lesson: a teacher, two learners, and what they are shown. */
export class Trainer {
  step = 0;
  /** The step at which the run began, and that at which it ends. */
  start = 0;
  end = 0;
  /** @type {Snapshot['losses']} */
  #losses = [];
  #schedule = { steps: 0, factor: (/** @type {number} */ _step) => 1 };
  /** @type {{ dispose: () => void }[]} */
  #owned = [];

  /**
   * Throws what the library throws where the lesson cannot be given.
   *
   * @param {Runtime} dk
   * @param {Lesson} lesson
   * @param {Photo[]} photos
   * @param {Tuning} tuning
   */
  constructor(dk, lesson, photos, tuning) {
    this.dk = dk;
    this.lesson = lesson;
    this.tuning = tuning;
    try {
      this.teacher = this.#own(new Teacher(dk, lesson));
      this.gallery = this.#own(new Gallery(dk, this.teacher, lesson, photos));
      if (!Number.isFinite(this.gallery.peak))
        throw new Error('what is to be imitated answers with numbers that are not finite');
      this.batches = this.#makeBatches(photos);
      this.workspace = this.#own(new Workspace(dk, this.batches[0].target.shape));
      this.#enrol();
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /**
   * @template {{ dispose: () => void }} T
   * @param {T} object
   */
  #own(object) {
    this.#owned.push(object);
    return object;
  }

  /** @param {Photo[]} photos */
  #makeBatches(photos) {
    const random = new Random(1);
    const { inChannels } = this.teacher.config;
    return Array.from({ length: BATCHES }, (_, batch) => {
      const x = this.#own(this.dk.zeros([BATCH, inChannels, SIDE, SIDE]));
      const effects = Array.from({ length: BATCH }, (__, n) => {
        const { data, side, effect } = example(this.lesson.kind, photos, batch * BATCH + n, random);
        this.dk.fromImage({ data, width: side, height: side }, {
          ...imageOptions(NORMALISATION, inChannels), width: SIDE, height: SIDE, out: x, batch: n,
        });
        return effect;
      });
      const pixels = x.data;
      for (let i = 0; i < pixels.length; i++) pixels[i] += NOISE * random.normal();
      return { x, target: this.#own(this.teacher.answer(x, effects)) };
    });
  }

  /** Both learners from their first parameters; the one with a single kernel is what the other is measured by. */
  #enrol() {
    const { numKernels, seed } = this.lesson;
    const inputs = this.batches.map(({ x }) => x);
    const config = { ...this.teacher.config, seed };
    this.dynamic = this.#own(new Learner(this.dk, { ...config, numKernels }, inputs));
    this.single = this.#own(new Learner(this.dk, { ...config, numKernels: 1 }, inputs));
    this.step = this.start = this.end = 0;
    this.#losses = [];
  }

  /** @param {number} seed */
  reset(seed) {
    for (const learner of [this.dynamic, this.single]) {
      learner?.dispose();
      this.#owned = this.#owned.filter((object) => object !== learner);
    }
    this.lesson = { ...this.lesson, seed };
    this.#enrol();
  }

  /** Begins another run where the latest is over. */
  begin() {
    if (this.step < this.end) return;
    this.start = this.step;
    this.end = this.step + this.tuning.steps;
  }

  /**
   * @param {Tuning} tuning
   * @returns {boolean} whether the run now ends elsewhere
   */
  tune(tuning) {
    const { end } = this;
    this.tuning = tuning;
    if (this.step < end) this.end = Math.max(this.step, this.start + tuning.steps);
    return this.end !== end;
  }

  /** One step of both learners on the next batch. @returns {boolean} whether both losses are finite */
  advance() {
    const { optimizer } = this.tuning;
    const { x, target } = this.batches[this.step % BATCHES];
    const lr = this.rate;
    const [dynamic, single] = [this.dynamic, this.single].map((learner) =>
      /** @type {Learner} */ (learner).learn(x, target, this.workspace, optimizer, lr));
    this.step++;
    if (this.dynamic && this.single) this.#losses.push([this.step, this.dynamic.loss, this.single.loss]);
    return Number.isFinite(dynamic) && Number.isFinite(single);
  }

  /** The learning rate of the next step. */
  get rate() {
    const { lr, schedule, steps } = this.tuning;
    if (schedule === 'constant') return lr * Math.min(1, (this.step - this.start + 1) / WARM_UP);
    if (this.#schedule.steps !== steps)
      this.#schedule = { steps, factor: cosineSchedule({ lr: 1, steps, warmup: WARM_UP, least: LEAST }) };
    return lr * this.#schedule.factor(this.step - this.start);
  }

  /** What is on screen whatever the step. @returns {Omit<Classroom, 'build'>} */
  classroom() {
    const { teacher, gallery, lesson } = this;
    const { inChannels, outChannels, kernelSize } = teacher.config;
    return {
      samples: gallery.samples(),
      wanted: gallery.kernels(teacher.aggregation, teacher.aggregation.parameters().weight.toArray()),
      wantedNames: teacher.names,
      outChannels,
      channel: gallery.channel,
      shape: `${inChannels} → ${outChannels} channels, ${lesson.numKernels} ` +
        `${lesson.numKernels === 1 ? 'kernel' : 'kernels'} of ${kernelSize}×${kernelSize}`,
    };
  }

  /** @returns {Omit<Snapshot, 'rate'>} */
  snapshot() {
    const losses = this.#losses;
    this.#losses = [];
    const { dynamic, single } = this;
    if (!dynamic || !single) throw new Error('a lesson has two learners');
    return {
      step: this.step,
      end: this.end,
      heapBytes: this.dk.info.heapBytes,
      losses,
      dynamic: this.gallery.look(dynamic),
      single: this.gallery.look(single),
    };
  }

  dispose() {
    for (const object of this.#owned.splice(0)) object.dispose();
  }
}
