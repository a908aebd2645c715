/** @import { Definition } from '../shared/types.js' */
import { byId, element, numberProblem, setText, showError, tab } from '../shared/dom.js';
import { listenForChoice } from '../shared/files.js';
import { DITE_PRESETS, KIND_PRESETS, PRESETS, isSeeded } from './presets.js';

/** @typedef {{ stride: number, padding: number, dilation: number }} Steps */

/**
 * @typedef {object} BlockEvents
 * @property {(definition: Definition) => void} onPreset
 * @property {(steps: Steps) => void} onSteps
 * @property {(seed: number) => void} onSeed
 * @property {(files: File[]) => void} onFiles
 * @property {() => void} onSave
 * @property {(index: number) => boolean} onPrefix  runs another block of the same file; returns true if that worked
 */

/** Above the pipeline: the choice of the block, and its settings. */
export class BlockPanel {
  #presets = byId('presets', HTMLFieldSetElement);
  #summary = byId('preset-summary', HTMLElement);
  #shape = byId('block-shape', HTMLElement);
  #seedGroup = byId('seed-group', HTMLElement);
  #seed = byId('seed', HTMLInputElement);
  #steps = {
    stride: byId('stride', HTMLInputElement),
    padding: byId('padding', HTMLInputElement),
    dilation: byId('dilation', HTMLInputElement),
  };
  #prefixGroup = byId('prefix-group', HTMLElement);
  #prefix = byId('prefix', HTMLSelectElement);
  /** The index of the block that runs. */
  #prefixIndex = 0;
  #error = byId('block-error', HTMLElement);

  /** @param {BlockEvents} events */
  constructor(events) {
    for (const [id, presets] of /** @type {const} */ ([['dite-presets', DITE_PRESETS], ['kind-presets', KIND_PRESETS]]))
      byId(id, HTMLElement).replaceChildren(...presets.map((preset) => tab('preset', preset, false)));
    this.#presets.addEventListener('change', (event) => {
      const preset = PRESETS.find(({ id }) => event.target instanceof HTMLInputElement && event.target.value === id);
      if (preset) events.onPreset(preset);
    });
    const steps = Object.values(this.#steps);
    for (const input of steps) {
      input.addEventListener('change', () => {
        const problem = steps.map(numberProblem).find(Boolean);
        if (problem) return this.showError(problem);
        const { stride, padding, dilation } = this.#steps;
        events.onSteps({
          stride: stride.valueAsNumber,
          padding: padding.valueAsNumber,
          dilation: dilation.valueAsNumber,
        });
      });
    }
    this.#seed.addEventListener('change', () => {
      const problem = numberProblem(this.#seed);
      if (problem) this.showError(problem);
      else events.onSeed(this.#seed.valueAsNumber);
    });
    byId('roll', HTMLButtonElement).addEventListener('click', () => events.onSeed(Math.floor(Math.random() * 10_000)));
    listenForChoice('state-file', events.onFiles);
    byId('save-state', HTMLButtonElement).addEventListener('click', events.onSave);
    this.#prefix.addEventListener('change', () => {
      const { selectedIndex } = this.#prefix;
      if (events.onPrefix(selectedIndex)) this.#prefixIndex = selectedIndex;
      else this.#prefix.selectedIndex = this.#prefixIndex;
    });
  }

  /** Shows the block that runs now. @param {Definition} definition */
  show(definition) {
    const { config, state } = definition;
    const preset = this.#presets.querySelector(`input[value="${definition.id}"]`);
    for (const input of this.#presets.querySelectorAll('input')) input.checked = !state && input === preset;
    setText(this.#summary, definition.summary);
    setText(
      this.#shape,
      `${config.inChannels} → ${config.outChannels} channels, ${config.numKernels} ` +
        `${config.numKernels === 1 ? 'kernel' : 'kernels'} of ${config.kernelSize}×${config.kernelSize}` +
        (config.groups > 1 ? `, ${config.groups} groups.` : '.'),
    );
    this.#seedGroup.hidden = !isSeeded(definition);
    if (isSeeded(definition)) this.#seed.value = String(config.seed);
    this.#steps.stride.value = String(config.stride);
    this.#steps.padding.value = String(config.padding);
    this.#steps.dilation.value = String(config.dilation);
    this.showError('');
  }

  /**
   * Offers the blocks of a file, if it has several.
   *
   * @param {string[]} prefixes
   * @param {number} index  the index of the block that runs
   */
  offer(prefixes, index) {
    this.#prefixIndex = index;
    this.#prefixGroup.hidden = prefixes.length < 2;
    this.#prefix.replaceChildren(
      ...prefixes.map((prefix) => element('option', {}, prefix.replace(/\.$/, '') || '(the file itself)')),
    );
    this.#prefix.selectedIndex = index;
  }

  /** @param {string} message */
  showError(message) {
    showError(this.#error, message);
  }
}
