/** @import { Colormap, Runtime, Tensor } from '../dynakernel/index.js' */
/** @import { About, Numbers, Result } from './types.js' */
/** @import { View } from './outputs.js' */
import { byId, element, setText, tab } from '../shared/dom.js';
import { number } from '../shared/format.js';
import { MOODS } from './example.js';
import { drawNumbers, numbersText } from './maps.js';
import { VIEW_NAMES, classCount, greatest, mapSides, pictureRange, probabilities, viewsOf } from './outputs.js';
import { LEAST_SCORE, Overlay, skeletonOf } from './overlay.js';

/** The classes that are listed. */
const MOST_CLASSES = 10;

/** The maps that can be chosen one by one. */
const MOST_MAPS = 1024;

/** Stage 3: one output of the network, as what it means. */
export class OutputPanel {
  #tabs = byId('outputs', HTMLElement);
  #choice = byId('output-choice', HTMLFieldSetElement);
  #shape = byId('output-shape', HTMLElement);
  #view = byId('view', HTMLSelectElement);
  #channel = byId('channel', HTMLSelectElement);
  #channelField = byId('channel-field', HTMLElement);
  #colormap = byId('colormap', HTMLSelectElement);
  #colormapField = byId('colormap-field', HTMLElement);
  #joints = byId('joints', HTMLInputElement);
  #jointsField = byId('joints-field', HTMLElement);
  #jointList = byId('joint-list', HTMLOListElement);
  #picture = byId('output-picture', HTMLElement);
  #canvas = byId('output-canvas', HTMLCanvasElement);
  #caption = byId('output-caption', HTMLElement);
  #classes = byId('classes', HTMLOListElement);
  #numbers = byId('numbers', HTMLPreElement);
  #overlay;
  #name = '';
  /** The output that a link asks for. */
  #wanted = '';
  /** The chosen view of each output. @type {Map<string, View>} */
  #views = new Map();
  /** The shape for which the selects were filled. */
  #filled = '';
  /** @type {string[]} */
  labels = [];

  /**
   * @param {Runtime} dk
   * @param {() => void} onChange is called after a person chose what to see
   */
  constructor(dk, onChange) {
    this.dk = dk;
    this.#overlay = new Overlay(dk);
    this.#tabs.addEventListener('change', (event) => {
      this.#name = /** @type {HTMLInputElement} */ (event.target).value;
      onChange();
    });
    this.#view.addEventListener('change', () => {
      this.#views.set(this.#name, /** @type {View} */ (this.#view.value));
      onChange();
    });
    for (const control of [this.#channel, this.#colormap, this.#joints]) control.addEventListener('change', onChange);
  }

  /** The name of the output in view. */
  get name() {
    return this.#name;
  }

  /** Shows this output from the next run on, if there is one of that name. @param {string} name */
  want(name) {
    this.#wanted = name;
    this.#name = '';
  }

  /** Prepares for another network. @param {About} about */
  open(about) {
    this.#name = '';
    this.#filled = '';
    this.#views.clear();
    this.labels = about.kind === 'example' ? MOODS : [];
    this.#joints.checked = Object.values(about.outputs).some((shape) => shape.length === 4 && skeletonOf(shape[1]));
  }

  /**
   * Shows a run.
   *
   * @param {Result} result
   * @param {Tensor | null} picture what the network saw, 0 to 1
   */
  show(result, picture) {
    const names = Object.keys(result.outputs);
    if (!names.includes(this.#name)) this.#offer(names);
    const output = result.outputs[this.#name];
    const view = this.#choose(output, picture);
    setText(this.#shape, output.shape.join(' × '));

    const hasJoints = view === 'heatmaps' && result.joints !== null && result.joints.length === output.shape[1];
    const isDrawn = view === 'heatmaps' || view === 'image' || view === 'maps';
    this.#picture.hidden = !isDrawn;
    this.#picture.dataset.view = view;
    this.#channelField.hidden = view !== 'heatmaps' && view !== 'maps';
    this.#colormapField.hidden = view !== 'maps';
    this.#jointsField.hidden = !hasJoints;
    this.#jointList.hidden = !hasJoints || !this.#joints.checked;
    this.#classes.hidden = view !== 'classes';
    this.#numbers.hidden = view !== 'numbers';

    const caption = this.#showAs(view, output, picture, hasJoints ? result.joints : null);
    setText(this.#caption, caption && `${caption}.`);
    if (isDrawn) this.#canvas.setAttribute('aria-label', `${this.#name}: ${caption}`);
  }

  /**
   * Draws or writes an output.
   *
   * @param {View} view
   * @param {Numbers} output
   * @param {Tensor | null} picture
   * @param {Result['joints']} joints null if there are none
   * @returns {string} a caption without its full stop, '' for none
   */
  #showAs(view, output, picture, joints) {
    switch (view) {
      case 'heatmaps': return this.#drawHeatmaps(output, /** @type {Tensor} */ (picture), joints);
      case 'image': return this.#drawImage(output);
      case 'classes': return this.#showClasses(output);
      case 'maps': {
        const colormap = /** @type {Colormap} */ (this.#colormap.value);
        return drawNumbers(this.dk, this.#canvas, output, { colormap, channel: this.#map() });
      }
      case 'numbers': {
        setText(this.#numbers, numbersText(output));
        return '';
      }
    }
  }

  /** Offers the outputs as tabs. @param {string[]} names */
  #offer(names) {
    this.#name = names.includes(this.#wanted) ? this.#wanted : names[0];
    this.#choice.hidden = names.length === 1;
    this.#tabs.replaceChildren(...names.map((name) => tab('output', { id: name, title: name }, name === this.#name)));
  }

  /**
   * Returns the view of an output, and fills the selects if it is another one than before.
   *
   * @param {Numbers} output
   * @param {Tensor | null} picture
   * @returns {View}
   */
  #choose(output, picture) {
    const views = viewsOf(output.shape, picture ? picture.shape : null);
    const chosen = this.#views.get(this.#name) ?? views[0];
    const view = views.includes(chosen) ? chosen : views[0];
    const filled = `${this.#name} ${output.shape} ${picture?.shape} ${view}`;
    if (filled === this.#filled) return view;
    this.#filled = filled;
    this.#view.replaceChildren(...views.map((one) =>
      element('option', { value: one, selected: one === view }, VIEW_NAMES[one])));
    const [C] = mapSides(output.shape);
    const names = view === 'heatmaps' ? skeletonOf(C)?.names : undefined;
    this.#channel.replaceChildren(
      element('option', { value: 'all' }, view === 'heatmaps' ? 'the strongest of all' : 'all'),
      ...Array.from({ length: Math.min(C, MOST_MAPS) }, (_, c) =>
        element('option', { value: c }, names ? `${c} ${names[c]}` : String(c))));
    return view;
  }

  #map() {
    return this.#channel.value === 'all' ? 'all' : Number(this.#channel.value);
  }

  /**
   * @param {Numbers} output
   * @param {Tensor} picture
   * @param {Result['joints']} joints null if there are none
   */
  #drawHeatmaps(output, picture, joints) {
    const [low, high] = this.#overlay.draw(this.#canvas, picture, output, this.#map());
    const caption = `Heat from ${number(low)} to ${number(high)}`;
    if (!joints || !this.#joints.checked) return caption;
    this.#overlay.drawJoints(this.#canvas, joints);
    const names = skeletonOf(joints.length)?.names;
    const sure = joints.filter(({ score }) => score >= LEAST_SCORE).length;
    this.#jointList.replaceChildren(...joints.map(({ x, y, score }, i) =>
      element('li', { class: score < LEAST_SCORE ? 'faint' : null },
        `${names?.[i] ?? `joint ${i}`} `,
        element('b', {}, score.toFixed(2)),
        ` at ${Math.round(x)}, ${Math.round(y)}`)));
    return `${caption}; ${sure} of ${joints.length} key points score ${LEAST_SCORE} or more`;
  }

  /** @param {Numbers} output */
  #drawImage({ shape, data }) {
    const [, H, W] = mapSides(shape);
    const range = pictureRange(data);
    const tensor = this.dk.tensor(data.subarray(0, 3 * H * W), [1, 3, H, W]);
    tensor.drawMap(this.#canvas, { channel: 'rgb', range });
    tensor.dispose();
    return `${W} × ${H}, black at ${number(range[0])}, white at ${number(range[1])}`;
  }

  /** @param {Numbers} output */
  #showClasses({ shape, data }) {
    const count = classCount(shape);
    const { values, isSoftmax } = probabilities(data.subarray(0, count));
    const best = greatest(values, MOST_CLASSES);
    this.#classes.replaceChildren(...best.map((index) => {
      const bar = element('i', { 'aria-hidden': 'true' });
      bar.style.setProperty('--weight', String(values[index]));
      const label = element('span', {}, this.labels[index] || `class ${index}`);
      return element('li', {}, bar, label, element('b', {}, percent(values[index])));
    }));
    const labels = this.labels.length;
    return [
      count > best.length ? `The ${best.length} likeliest of ${count} classes` : `${count} classes`,
      isSoftmax ? 'probabilities are the softmax of the network’s scores' : '',
      labels > 0 && labels !== count ? `the file has ${labels} labels` : '',
      labels === 0 ? '“Open labels…” names them' : '',
    ].filter(Boolean).join('; ');
  }
}

/** @param {number} share */
const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 2 : 1)} %`;
