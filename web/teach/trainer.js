/** @import { Runtime } from '../dynakernel/index.js' */
/** @import { Classroom, Lesson, Photo, Snapshot, Tuning } from './types.js' */
import { cosineSchedule } from '../dynakernel/index.js';
import { imageOptions } from '../shared/normalisation.js';
import { Random } from '../shared/random.js';
import { temperatureAt } from './cooling.js';
import { example } from './examples.js';
import { Gallery, NORMALISATION } from './gallery.js';
import { Learner, Workspace } from './learner.js';
import { pupil } from './pupils.js';
import { Teacher } from './teacher.js';

/** The batches are made once, in a time that a visitor does not notice, and used in turn. */
const BATCHES = 8;
const BATCH = 8;
const SIDE = 64;

/**
 * The standard deviation of the noise in the examples. Photographs are smooth, so without noise a kernel learns very
 * slowly how to treat fine detail. The target is computed from the noisy picture, so a block can still match it
 * exactly.
 */
const NOISE = 0.2;

/** The number of steps over which the learning rate rises. */
const WARM_UP = 20;
/** The share of the learning rate that is left at the end of a cosine schedule. */
const LEAST = 0.01;

/** A lesson: a teacher, its learners, the examples and the pictures on screen. */
export class Trainer {
  step = 0;
  /** The step at which the run began. */
  start = 0;
  /** The step at which the run ends. */
  end = 0;
  /** @type {Snapshot['losses']} */
  #losses = [];
  /** The blocks that learn, in the lesson's order. @type {Learner[]} */
  learners = [];
  #schedule = { steps: 0, factor: (/** @type {number} */ _step) => 1 };
  /** @type {{ dispose: () => void }[]} */
  #owned = [];

  /**
   * Throws the library's error if the lesson is invalid, and then gives its memory back.
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
      this.teacher = this.#hold(new Teacher(dk, lesson));
      this.gallery = this.#hold(new Gallery(dk, this.teacher, lesson, photos));
      if (!Number.isFinite(this.gallery.peak))
        throw new Error('the block to imitate gives outputs that are not finite');
      this.batches = this.#makeBatches(photos);
      this.workspace = this.#hold(new Workspace(dk, this.batches[0].target.shape));
      this.#enrol();
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /**
   * Returns the object after noting that dispose() must dispose it.
   *
   * @template {{ dispose: () => void }} T
   * @param {T} object
   */
  #hold(object) {
    this.#owned.push(object);
    return object;
  }

  /** Makes the batches: noisy examples and their targets. @param {Photo[]} photos */
  #makeBatches(photos) {
    const random = new Random(1);
    const { inChannels } = this.teacher.config;
    return Array.from({ length: BATCHES }, (_, batch) => {
      const x = this.#hold(this.dk.zeros([BATCH, inChannels, SIDE, SIDE]));
      const effects = Array.from({ length: BATCH }, (__, n) => {
        const { data, side, effect } = example(this.lesson.kind, photos, batch * BATCH + n, random);
        this.dk.fromImage({ data, width: side, height: side }, {
          ...imageOptions(NORMALISATION, inChannels), width: SIDE, height: SIDE, out: x, batch: n,
        });
        return effect;
      });
      const pixels = x.data;
      for (let i = 0; i < pixels.length; i++) pixels[i] += NOISE * random.normal();
      return { x, target: this.#hold(this.teacher.targets(x, effects)) };
    });
  }

  /** Makes the learners. They begin with the same seed. */
  #enrol() {
    const { pupils, numKernels, seed } = this.lesson;
    const inputs = this.batches.map(({ x }) => x);
    const config = { ...this.teacher.config, numKernels, seed };
    this.learners = [];
    for (const id of pupils) this.learners.push(this.#hold(new Learner(this.dk, pupil(id), config, inputs)));
    this.step = this.start = this.end = 0;
    this.#losses = [];
  }

  /** Starts again with new learners. @param {number} seed */
  reset(seed) {
    const gone = new Set(/** @type {{ dispose: () => void }[]} */ (this.learners));
    for (const learner of this.learners) learner.dispose();
    this.#owned = this.#owned.filter((object) => !gone.has(object));
    this.lesson = { ...this.lesson, seed };
    this.#enrol();
  }

  /** The learner whose attention and kernels are on screen. */
  get focus() {
    const found = this.learners.find((learner) => learner.pupil.id === this.lesson.focus) ?? this.learners[0];
    if (!found) throw new Error('a lesson has at least one learner');
    return found;
  }

  /** Begins another run if the latest is over. */
  begin() {
    if (this.step < this.end) return;
    this.start = this.step;
    this.end = this.step + this.tuning.steps;
  }

  /**
   * Applies settings from the next step on.
   *
   * @param {Tuning} tuning
   * @returns {boolean} true if the run now ends at another step
   */
  tune(tuning) {
    const { end } = this;
    this.tuning = tuning;
    if (this.step < end) this.end = Math.max(this.step, this.start + tuning.steps);
    return this.end !== end;
  }

  /** Runs a step of all learners on the next batch. @returns {boolean} true if all losses are finite */
  advance() {
    const { optimizer, steps } = this.tuning;
    const { x, target } = this.batches[this.step % BATCHES];
    const lr = this.rate;
    const latest = this.learners.map((learner) => {
      const { cooling } = learner.pupil;
      if (cooling) learner.cool(temperatureAt(this.step, steps, cooling));
      return learner.learn(x, target, this.workspace, optimizer, lr);
    });
    this.step++;
    this.#losses.push({ step: this.step, losses: this.learners.map(({ loss }) => loss) });
    return latest.every(Number.isFinite);
  }

  /** The learning rate of the next step. */
  get rate() {
    const { lr, schedule, steps } = this.tuning;
    if (schedule === 'constant') return lr * Math.min(1, (this.step - this.start + 1) / WARM_UP);
    if (this.#schedule.steps !== steps)
      this.#schedule = { steps, factor: cosineSchedule({ lr: 1, steps, warmup: WARM_UP, least: LEAST }) };
    return lr * this.#schedule.factor(this.step - this.start);
  }

  /** Returns the part of the lesson that no step changes. @returns {Omit<Classroom, 'build'>} */
  classroom() {
    const { teacher, gallery, focus, learners } = this;
    return {
      samples: gallery.samples(),
      wanted: gallery.kernels(teacher.config, teacher.kernels),
      wantedNames: teacher.names,
      outChannels: teacher.config.outChannels,
      channel: gallery.channel,
      pupils: learners.map((learner) => learner.pupil.id),
      focus: focus.pupil.id,
      range: gallery.range,
      kind: focus.pupil.kind,
      config: focus.block.config,
    };
  }

  /** Returns the progress now, with the losses since the last snapshot. @returns {Omit<Snapshot, 'rate'>} */
  snapshot() {
    const losses = this.#losses;
    this.#losses = [];
    return {
      step: this.step,
      end: this.end,
      heapBytes: this.dk.info.heapBytes,
      losses,
      pupils: this.learners.map((learner) => this.gallery.look(learner)),
    };
  }

  dispose() {
    for (const object of this.#owned.splice(0)) object.dispose();
  }
}
