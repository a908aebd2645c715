/** The page's end of the worker that has a network. */

/** @import { Shapes } from '../dynakernel/index.js' */
/** @import { Answer, Numbers, Request, Result } from './types.js' */

/** @typedef {Omit<Extract<Request, { type: 'run' }>, 'type' | 'id'>} Run */

/** A worker with one network. Ending it is the way to cancel. */
export class Engine {
  #worker;
  #runs = 0;
  /** @type {Map<number, { resolve: (result: Result) => void, reject: (error: Error) => void }>} */
  #waiting = new Map();

  /** @param {(answer: Answer) => void} onAnswer is called while a file is opened */
  constructor(onAnswer) {
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'network' });
    this.#worker.addEventListener('message', (/** @type {MessageEvent<Answer>} */ { data }) => {
      if (data.type === 'result') this.#take(data.result.id)?.resolve(data.result);
      else if (data.type === 'failed') this.#take(data.id)?.reject(new Error(data.message));
      else onAnswer(data);
    });
    this.#worker.addEventListener('error', (event) => {
      event.preventDefault();
      const message = event.message || 'the worker could not be started';
      onAnswer({ type: 'refused', refusal: { title: 'The network stopped', message, operators: [], code: '' } });
      for (const id of this.#waiting.keys()) this.#take(id)?.reject(new Error(message));
    });
  }

  /**
   * Opens a file, or the example.
   *
   * @param {File | null} file null for the example
   * @param {Shapes | null} shapes of the inputs whose sizes are open
   */
  open(file, shapes) {
    this.#send({ type: 'open', file, shapes });
  }

  /**
   * Runs the network. The numbers of the inputs move to the worker.
   *
   * @param {Run} run
   * @returns {Promise<Result>}
   */
  run(run) {
    const id = ++this.#runs;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      const inputs = /** @type {Numbers[]} */ (Object.values(run.inputs));
      this.#send({ type: 'run', id, ...run }, inputs.map(({ data }) => /** @type {ArrayBuffer} */ (data.buffer)));
    });
  }

  /** Ends the worker. Runs that it has not finished reject. */
  close() {
    this.#worker.terminate();
    for (const id of this.#waiting.keys()) this.#take(id)?.reject(new Error('the network was closed'));
  }

  /**
   * @param {Request} request
   * @param {ArrayBuffer[]} [transfer]
   */
  #send(request, transfer = []) {
    this.#worker.postMessage(request, transfer);
  }

  /** @param {number} id */
  #take(id) {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }
}
