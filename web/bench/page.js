/** @import { LinkState } from '../shared/link.js' */
/** @import { Progress } from './session.js' */
/** @import { Request } from './worker.js' */
/** @import { Workload } from './workload.js' */
import { byId, setEnabled, setText, showError } from '../shared/dom.js';
import { sentence } from '../shared/errors.js';
import { Link } from '../shared/link.js';
import { LinkPanel } from '../shared/link-panel.js';
import { IS_SITE } from '../shared/site.js';
import { chooseOptions, describeLink, fieldsOf, readOptions } from './address.js';
import { MissingPeers, compare } from './client.js';
import { Results } from './results.js';
import { SETS, Selection } from './selection.js';
import { PACES } from './timing.js';
import { kindOf, describe } from './workload.js';

const PEERS = ['onnxruntime-web', 'tfjs-wasm'];

/** The benchmark page: its controls start and stop a comparison. */
export class BenchPage {
  #main = byId('bench', HTMLElement);
  #run = byId('run', HTMLButtonElement);
  #stop = byId('stop', HTMLButtonElement);
  #progress = byId('progress', HTMLProgressElement);
  #status = byId('status', HTMLElement);
  #error = byId('error', HTMLElement);
  #missing = byId('missing', HTMLElement);
  #peers = byId('peers', HTMLInputElement);
  #form = byId('setup', HTMLFormElement);
  #results = new Results();
  #selection;
  #link;
  #linkPanel;
  /** @type {AbortController | null} */
  #running = null;

  /** @param {Workload[]} workloads */
  constructor(workloads) {
    this.#selection = new Selection(workloads, () => this.#enable());
    const fields = fieldsOf(SETS.map(({ id }) => id), workloads.map(({ name }) => name));
    this.#link = new Link(fields, () => ({ ...this.#selection.state, ...readOptions() }),
      (state, ignored) => this.#follow(state, ignored));
    this.#linkPanel = new LinkPanel(this.#link, describeLink);
    byId('bench', HTMLElement).addEventListener('change', () => this.#link.changed());
    byId('peers-field', HTMLElement).hidden = IS_SITE; // the site does not have the other engines
    const isOffered = !byId('isolation-offer', HTMLElement).hidden; // it says the same
    byId('isolation', HTMLElement).hidden = isOffered || globalThis.crossOriginIsolated === true;
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#start();
    });
    this.#stop.addEventListener('click', () => this.#running?.abort());
    this.#peers.addEventListener('change', () => {
      this.#missing.hidden = true;
    });
    this.#settle('ready', '');
    const { state, ignored } = this.#link.state;
    this.#follow(state, ignored);
  }

  /**
   * Shows the options of a link.
   *
   * @param {LinkState} state
   * @param {string} ignored  a sentence about the parts of the link that mean nothing; '' for none
   */
  #follow(state, ignored) {
    this.#linkPanel.say(ignored);
    this.#selection.set(state);
    chooseOptions(state);
    this.#enable();
  }

  async #start() {
    if (this.#running) return;
    const request = this.#readForm();
    this.#running = new AbortController();
    this.#main.dataset.state = 'running';
    this.#enable();
    showError(this.#error, '');
    this.#missing.hidden = true;
    setText(this.#status, 'Starting…');
    try {
      await this.#compare(request, this.#running.signal);
      this.#settle('done', 'Done.');
    } catch (error) {
      if (this.#running.signal.aborted) this.#settle('stopped', 'Stopped.');
      else {
        this.#settle('failed', '');
        showError(this.#error, `The measurement failed. ${sentence(error)}`);
      }
    }
  }

  /** Returns the request that the controls describe. @returns {Request} */
  #readForm() {
    const choices = new FormData(this.#form);
    const threads = choices.get('threads');
    return {
      workloads: this.#selection.chosen,
      peers: this.#peers.checked ? PEERS : [],
      simd: 'auto',
      threads: threads === 'auto' ? 'auto' : Number(threads),
      pace: choices.get('pace') === 'full' ? PACES.full : PACES.quick,
      environment: environment(),
    };
  }

  /**
   * Runs a comparison, without the other engines if they are not installed.
   *
   * @param {Request} request
   * @param {AbortSignal} signal
   */
  async #compare(request, signal) {
    const show = (/** @type {Progress} */ progress) => this.#show(progress);
    try {
      await compare(request, show, signal);
    } catch (error) {
      if (!(error instanceof MissingPeers)) throw error;
      this.#peers.checked = false;
      this.#missing.hidden = false;
      await compare({ ...request, peers: [] }, show, signal);
    }
  }

  /** Shows progress. @param {Progress} progress */
  #show(progress) {
    if ('begin' in progress) {
      this.#results.begin(progress.begin);
    } else if ('row' in progress) {
      this.#results.add(progress.row);
      this.#progress.value++;
    } else {
      const { workload, index, count } = progress;
      this.#progress.max = count;
      this.#progress.value = index;
      setText(this.#status, `${index + 1} of ${count}: ${kindOf(workload)} ${describe(workload)}`);
    }
  }

  /**
   * Leaves the running state.
   *
   * @param {'ready' | 'done' | 'stopped' | 'failed'} state
   * @param {string} message
   */
  #settle(state, message) {
    this.#running = null;
    this.#main.dataset.state = state;
    if (state !== 'done') this.#progress.value = 0;
    setText(this.#status, message);
    this.#enable();
  }

  /** Enables the controls that work in this state. */
  #enable() {
    const running = this.#running !== null;
    const inputs = [...this.#form.querySelectorAll('input')];
    setEnabled([
      [this.#stop, running],
      [this.#run, !running && this.#selection.chosen.length > 0],
      ...inputs.map((input) => /** @type {const} */ ([input, !running])),
    ]);
  }
}

/** Describes the browser and the machine, for the notes. */
function environment() {
  const agent = navigator.userAgent;
  // The order matters: Edge also names Chrome, and both name Safari.
  const known = Object.entries({
    Firefox: /Firefox\/([\d.]+)/, Edge: /Edg\/([\d.]+)/, Chrome: /Chrome\/([\d.]+)/, Safari: /Version\/([\d.]+)/,
  });
  const [name, pattern] = known.find(([, text]) => text.test(agent)) ?? [];
  const cores = navigator.hardwareConcurrency;
  return {
    engine: pattern ? `${name} ${pattern.exec(agent)?.[1]}` : agent,
    machine: `${cores} logical ${cores === 1 ? 'core' : 'cores'}`,
    isolated: globalThis.crossOriginIsolated === true,
  };
}
