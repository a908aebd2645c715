/** The worker that trains. The page never waits for a step. */

/** @import { Runtime } from '../dynakernel/index.js' */
/** @import { Answer, Kernels, Progress, Request, Snapshot, Tuning } from './types.js' */
import { load } from '../dynakernel/index.js';
import { messageOf } from '../shared/errors.js';
import { buildText } from '../shared/format.js';
import { writeBlock } from '../shared/statedict.js';
import { NORMALISATION } from './gallery.js';
import { Trainer } from './trainer.js';

/** Milliseconds of training after which the worker handles messages. */
const SLICE = 20;

/** Milliseconds over which steps per second are counted. */
const RATE_WINDOW = 1000;

/** @type {Runtime | null} */
let dk = null;
/** @type {Trainer | null} */
let trainer = null;
/** @type {Tuning} */
let tuning = { optimizer: 'adam', lr: 0.02, schedule: 'cosine', steps: 2000 };
let running = false;
/** The id of the current lesson. Every answer holds it. @type {number | undefined} */
let lesson;
/** Milliseconds between snapshots. */
let interval = 100;
let latestSnapshot = 0;
/** @type {{ time: number, step: number }[]} */
let clock = [];

/** A message starts the next slice: browsers delay repeated timers by 4 ms, but not messages. */
const { port1: next, port2: resume } = new MessageChannel();
next.onmessage = () => slice();

/**
 * Sends an answer to the page.
 *
 * @param {Answer} message
 * @param {ArrayBuffer[]} [transfer]
 */
const answer = (message, transfer = []) => self.postMessage({ lesson, ...message }, { transfer });

/** @type {Promise<void>} requests run in their order, after the library has loaded */
let queue = Promise.resolve();
self.addEventListener('message', (/** @type {MessageEvent<Request>} */ { data }) => {
  queue = queue.then(() => handle(data));
});

/** Runs a request. Sends its error if it fails. @param {Request} request */
async function handle(request) {
  try {
    dk ??= await load();
  } catch (error) {
    return fail('start', error);
  }
  try {
    perform(dk, request);
  } catch (error) {
    if (request.type === 'export')
      return answer({ type: 'error', about: 'export', id: request.id, message: messageOf(error) });
    running = false;
    if (request.type !== 'setup' && request.type !== 'reset') return fail('training', error);
    // The rest of the lesson can be neither shown nor trained.
    trainer?.dispose();
    trainer = null;
    fail('setup', error);
  }
}

/**
 * Runs a request.
 *
 * @param {Runtime} runtime
 * @param {Request} request
 */
function perform(runtime, request) {
  switch (request.type) {
    case 'setup': {
      running = false;
      lesson = request.id;
      interval = request.interval;
      trainer?.dispose();
      trainer = null;
      trainer = new Trainer(runtime, request.lesson, request.photos, tuning);
      return introduce(true);
    }
    case 'tune':
      tuning = request.tuning;
      if (trainer?.tune(tuning) && !running) show(trainer.step < trainer.end ? 'paused' : 'done');
      return;
    case 'run':
      if (!trainer || running) return;
      trainer.begin();
      running = true;
      clock = [];
      resume.postMessage(null);
      return;
    case 'pause':
      if (!running) return;
      running = false;
      return show('paused');
    case 'step':
      if (!trainer || running) return;
      trainer.begin();
      if (advance()) show(trainer.step < trainer.end ? 'paused' : 'done');
      return;
    case 'reset':
      if (!trainer) return;
      running = false;
      trainer.reset(trainer.lesson.seed);
      return introduce(true);
    case 'channel':
      if (!trainer) return;
      trainer.gallery.channel = request.channel;
      return introduce(false);
    case 'focus':
      if (!trainer) return;
      trainer.lesson = { ...trainer.lesson, focus: request.focus };
      return introduce(false);
    case 'export': {
      if (!trainer) throw new Error('there is no block to take along');
      const bytes = writeBlock(trainer.focus.block, NORMALISATION);
      answer({ type: 'state', id: request.id, step: trainer.step, bytes }, [bytes.buffer]);
    }
  }
}

/** Trains for a slice of time, then asks for the next slice. */
function slice() {
  if (!running || !trainer) return;
  try {
    const until = performance.now() + SLICE;
    do {
      if (!advance()) return;
    } while (trainer.step < trainer.end && performance.now() < until);
    if (trainer.step >= trainer.end) {
      running = false;
      return show('done');
    }
    if (performance.now() - latestSnapshot >= interval) show('running');
    resume.postMessage(null);
  } catch (error) {
    running = false;
    fail('training', error);
  }
}

/** Runs a step. @returns {boolean} false if the loss is no longer finite; the run then ends */
function advance() {
  if (!trainer) return false;
  const finite = trainer.advance();
  if (!finite) {
    running = false;
    show('paused');
    const { step } = trainer;
    fail('training', `the loss is no longer a number after step ${step}: the learning rate ${tuning.lr} is too high. ` +
      'Lower it and press Reset');
  }
  return finite;
}

/**
 * Sends all that is on screen.
 *
 * @param {boolean} fresh  true if nothing has been learnt yet
 */
function introduce(fresh) {
  if (!dk || !trainer) return;
  const classroom = { build: buildText(dk.info), ...trainer.classroom() };
  const snapshot = { ...trainer.snapshot(), rate: 0 };
  answer({ type: 'ready', fresh, classroom, snapshot }, [
    ...classroom.samples.flatMap(({ input, target }) => [input.data.buffer, target.data.buffer]),
    classroom.wanted.values.buffer,
    ...buffers(snapshot),
  ]);
}

/** Sends the progress. @param {'running' | 'paused' | 'done'} state */
function show(state) {
  if (!trainer) return;
  const snapshot = { ...trainer.snapshot(), rate: rate(trainer.step) };
  answer({ type: 'snapshot', state, snapshot }, buffers(snapshot));
  latestSnapshot = performance.now();
}

/**
 * Returns the steps per second over the latest RATE_WINDOW milliseconds.
 *
 * @param {number} step
 */
function rate(step) {
  const now = performance.now();
  clock.push({ time: now, step });
  while (clock.length > 2 && now - clock[0].time > RATE_WINDOW) clock.shift();
  const [first] = clock;
  return now > first.time ? ((step - first.step) * 1000) / (now - first.time) : 0;
}

/** Returns the buffers of a snapshot, to transfer instead of copying them. @param {Snapshot} snapshot */
const buffers = ({ pupils }) => pupils.flatMap((/** @type {Progress} */ progress) => [
  ...[...progress.predictions, ...progress.differences].map(({ data }) => data.buffer),
  ...[progress.kernels, progress.mixed].map((/** @type {Kernels} */ { values }) => values.buffer),
  progress.attention.buffer,
]);

/**
 * Sends an error.
 *
 * @param {'start' | 'setup' | 'training'} about
 * @param {unknown} error
 */
function fail(about, error) {
  answer({ type: 'error', about, message: messageOf(error) });
}
