/** @import { Report } from './loop.js' */
/** @import { Times } from './pipeline.js' */
/** @import { Definition, Normalisation, Runtime, Source, Tensor, View } from './types.js' */
import { DynakernelError } from '../dynakernel/index.js';
import { takeState } from '../teach/handoff.js';
import { AttentionPanel } from './attention-panel.js';
import { BlockPanel } from './block-panel.js';
import { Camera } from './camera.js';
import { byId, setText } from './dom.js';
import { cameraSentence, sentence } from './errors.js';
import { SnippetPanel, saveMap, saveMaps, saveState } from './exports.js';
import { Loop } from './loop.js';
import { MapDetail } from './map-detail.js';
import { MapsPanel } from './maps-panel.js';
import { MixedPanel } from './mixed-panel.js';
import { Model } from './model.js';
import { UNCHANGED } from './normalisation.js';
import { PerformancePanel } from './performance-panel.js';
import { Pipeline, STAGE } from './pipeline.js';
import { PRESETS } from './presets.js';
import { mapOptions } from './ranges.js';
import { snippet } from './snippet.js';
import { SourcePanel } from './source-panel.js';
import { PHOTOS, listenForFiles, openImage, openPhoto, release, stillOf } from './sources.js';
import { readBlocks, refuseFormat } from './statedict.js';
import { ViewControls } from './view-controls.js';

/** Numbers in words change this often, in milliseconds, while frames run without pause: more could not be read. */
const READABLE = 250;

/** The page: what a person does becomes a change of source, block, weights or view; frames follow. */
export class Playground {
  #main = byId('playground', HTMLElement);
  #status = byId('status', HTMLElement);
  #frames = 0;
  #opening = 0;
  #wordsAt = 0;
  #kernelsStale = true;
  /** @type {SourcePanel | BlockPanel | null} where the latest frame's error is shown */
  #failedAt = null;
  /** @type {{ prefix: string, definition: Definition }[]} the blocks of the file that was opened last */
  #blocks = [];
  /** @type {'off' | 'starting' | 'on'} */
  #webcam = 'off';
  /** How pixels are normalised for a block that says nothing of its own: as was chosen last. */
  #normalisation = UNCHANGED;

  /** @param {Runtime} dk */
  constructor(dk) {
    this.dk = dk;
    this.pipeline = new Pipeline(dk);
    this.loop = new Loop(
      (first, more) => this.#frame(first, more),
      (report) => this.#report(report),
    );
    this.camera = new Camera(async () => {
      await this.#stillFromWebcam();
      this.sources.showError('The webcam was unplugged or switched off.');
    });
    this.controls = new ViewControls(() => {
      this.#kernelsStale = true;
      this.#request(STAGE.drawing);
    });
    this.performance = new PerformancePanel(dk);
    this.attention = new AttentionPanel(
      (weights) => this.#setManual(weights),
      () => this.#setManual(null),
    );
    this.mixed = new MixedPanel();
    this.maps = new MapsPanel((channel) => this.controls.select(channel));
    this.detail = new MapDetail(dk);
    this.code = new SnippetPanel((message) => this.#announce(message));
    this.sources = new SourcePanel({
      onPhoto: (photo) => this.#open(() => openPhoto(photo)),
      onFiles: (files) => this.#openFiles(files),
      onWebcam: () => this.#toggleWebcam(),
      onSize: (size) => this.#setInput({ size }),
      onNormalisation: (normalisation) => this.#normalise(normalisation),
    });
    this.blocks = new BlockPanel({
      onPreset: (definition) => this.#choose(definition),
      onSteps: (steps) => this.#alter(steps),
      onSeed: (seed) => this.#alter({ seed }),
      onFile: (files) => this.#openFiles(files),
      onSave: () => this.#save((model) => saveState(model, this.pipeline.normalisation)),
      onPrefix: (index) => this.#use(this.#blocks[index].definition, true),
    });
    this.#wire();
  }

  #wire() {
    listenForFiles(byId('drop', HTMLElement), (files) => this.#openFiles(files));
    byId('save-map', HTMLButtonElement).addEventListener('click', () => this.#save(saveMap));
    byId('save-maps', HTMLButtonElement).addEventListener('click', () => this.#save(saveMaps));
    const continuous = byId('continuous', HTMLInputElement);
    continuous.addEventListener('change', () => this.loop.setContinuous(continuous.checked));
  }

  async start() {
    this.#choose(PRESETS[0]);
    await this.#open(() => openPhoto(PHOTOS[2]));
    const taught = takeState();
    if (taught) await this.#openFiles([taught]);
  }

  // ---------------------------------------------------------------------------------------- source

  /**
   * Shows what `read` gives, unless something else was opened in the meantime.
   *
   * @param {() => Promise<Source | null>} read
   */
  async #open(read) {
    const opening = ++this.#opening;
    this.#main.dataset.state = 'opening';
    let source = null;
    try {
      source = await read();
    } catch (error) {
      if (opening !== this.#opening) return;
      this.sources.showError(sentence(error));
      return this.#showState();
    }
    if (opening !== this.#opening || !source) return release(source);
    if (this.#webcam !== 'off') this.#leaveWebcam();
    this.#show(source);
  }

  /** @param {Source} source */
  #show(source) {
    const previous = this.pipeline.source;
    this.pipeline.source = source;
    if (previous !== source) release(previous);
    this.sources.showError('');
    this.#announce(`${source.name} is shown.`);
    this.#request(STAGE.pixels);
  }

  /** @param {Partial<{ size: number, normalisation: Normalisation }>} change */
  #setInput(change) {
    Object.assign(this.pipeline, change);
    this.#request(STAGE.pixels);
  }

  /** @param {Normalisation} normalisation  that a person chose */
  #normalise(normalisation) {
    // The block's own is for that block only.
    if (normalisation !== this.pipeline.model?.definition.normalisation) this.#normalisation = normalisation;
    this.#setInput({ normalisation });
  }

  async #toggleWebcam() {
    if (this.#webcam === 'on') return this.#stillFromWebcam();
    if (this.#webcam === 'starting') {
      this.camera.stop();
      this.#setWebcam('off');
      return this.#showState();
    }
    this.#opening++; // what is still being opened is wanted no longer
    this.#main.dataset.state = 'opening';
    this.#setWebcam('starting');
    this.sources.showError('');
    try {
      const source = await this.camera.start();
      if (!source) return;
      this.#setWebcam('on');
      this.#show(source);
      this.loop.follow(/** @type {HTMLVideoElement} */ (source.image));
    } catch (error) {
      this.#setWebcam('off');
      this.sources.showError(cameraSentence(error));
      this.#showState();
    }
  }

  /** Stops the webcam and keeps its last picture. */
  async #stillFromWebcam() {
    const { source } = this.pipeline;
    if (!(source?.image instanceof HTMLVideoElement)) return;
    const still = await stillOf(source.image).catch(() => null); // null where the device has gone
    if (this.pipeline.source !== source) return;
    this.#leaveWebcam();
    if (still) this.#show(still);
  }

  #leaveWebcam() {
    this.camera.stop();
    this.loop.follow(null);
    this.#setWebcam('off');
  }

  /** @param {'off' | 'starting' | 'on'} state */
  #setWebcam(state) {
    this.#webcam = state;
    this.sources.showWebcam(state);
  }

  // ----------------------------------------------------------------------------------------- block

  /** @param {Definition} definition  a preset */
  #choose(definition) {
    this.blocks.offer([]);
    this.#use(definition, true);
  }

  /** @param {Partial<Definition['config']>} change */
  #alter(change) {
    const definition = this.pipeline.model?.definition;
    if (definition) this.#use({ ...definition, config: { ...definition.config, ...change } }, false);
  }

  /**
   * Runs another block from now on; where it cannot be made, the old one stays and the reason is shown.
   *
   * @param {Definition} definition
   * @param {boolean} fresh  weights set by hand and the chosen channel mean nothing to it
   * @returns {boolean}
   */
  #use(definition, fresh) {
    const previous = this.pipeline.model;
    let model;
    try {
      model = new Model(this.dk, definition);
      const { width, height } = this.pipeline.inputSize;
      if (this.pipeline.source) model.block.aggregation.planFor([1, model.channels, height, width]);
    } catch (error) {
      model?.dispose();
      if (previous) this.blocks.show(previous.definition);
      this.blocks.showError(sentence(error));
      return false;
    }
    this.pipeline.model = model;
    if (fresh) {
      this.pipeline.manual = null;
      this.pipeline.normalisation = definition.normalisation ?? this.#normalisation;
      this.sources.setNormalisation(this.pipeline.normalisation);
    }
    previous?.dispose();
    this.controls.setModel(model, fresh);
    this.attention.build(model);
    this.mixed.setModel(model);
    this.blocks.show(definition);
    this.#kernelsStale = true;
    if (fresh)
      this.#announce(`${definition.title}: ${model.numKernels} kernels, ${model.outChannels} output channels.`);
    this.#request(STAGE.pixels);
    return true;
  }

  /**
   * Images and state dicts, by whatever way they came.
   *
   * @param {File[]} files
   */
  async #openFiles(files) {
    const isState = (/** @type {File} */ file) => /\.safetensors$/i.test(file.name) || refuseFormat(file.name) !== '';
    const state = files.find(isState);
    const image = files.find((file) => !isState(file));
    if (image) await this.#open(() => openImage(image, image.name));
    if (state) await this.#openState(state);
  }

  /** @param {File} file */
  async #openState(file) {
    this.#main.dataset.state = 'opening';
    try {
      const refusal = refuseFormat(file.name);
      if (refusal) throw new Error(refusal);
      const blocks = readBlocks(new Uint8Array(await file.arrayBuffer()), file.name);
      if (!this.#use(blocks[0].definition, true)) return this.#showState();
      this.#blocks = blocks;
      this.blocks.offer(blocks.map(({ prefix }) => prefix));
    } catch (error) {
      this.blocks.showError(
        error instanceof DynakernelError ? `“${file.name}” cannot be read. ${sentence(error)}` : sentence(error),
      );
      this.#showState();
    }
  }

  /** @param {Float32Array | null} weights  null gives the attention its say back */
  #setManual(weights) {
    const changed = (weights === null) !== (this.pipeline.manual === null);
    this.pipeline.manual = weights;
    if (changed) this.#announce(weights ? 'Weights are set by hand.' : 'Weights are the attention’s again.');
    this.#request(weights ? STAGE.convolution : STAGE.attention);
  }

  // ---------------------------------------------------------------------------------------- frames

  /** @param {number} first  the first STAGE that a change concerns */
  #request(first) {
    this.#main.dataset.state = 'running';
    this.loop.request(first);
  }

  /**
   * @param {number} first
   * @param {boolean} more  frames follow
   * @returns {Times | null}
   */
  #frame(first, more) {
    const { pipeline } = this;
    if (!pipeline.model || !pipeline.source) return null;
    try {
      const times = pipeline.run(first);
      const start = performance.now();
      this.#draw(first);
      this.#write(more);
      times.drawing = performance.now() - start;
      this.#main.dataset.frames = String(++this.#frames);
      this.#failedAt?.showError('');
      this.#failedAt = null;
      return times;
    } catch (error) {
      this.#failedAt = error instanceof DynakernelError && error.code === 'ERR_IMAGE' ? this.sources : this.blocks;
      this.#failedAt.showError(sentence(error));
      this.#showState();
      return null;
    }
  }

  /** @param {number} first */
  #draw(first) {
    const {
      pipeline,
      controls: { view },
    } = this;
    const { model, picture, a, y } = pipeline;
    if (!model || !picture || !a || !y) return;
    if (first <= STAGE.pixels) {
      picture.drawMap(this.sources.canvas, {
        channel: model.channels === 3 ? 'rgb' : 0,
        colormap: 'gray',
        range: [0, 1],
      });
    }
    this.attention.show(a.toArray(), pipeline.automatic, pipeline.manual !== null);
    if (this.#kernelsStale) this.attention.drawKernels(model, view);
    this.#kernelsStale = false;
    model.mix(a);
    this.mixed.draw(model, view);
    this.detail.draw(model, this.maps.draw(model, y, view), y, view);
  }

  /**
   * What is written rather than drawn: for the last frame, and now and then before.
   *
   * @param {boolean} more
   */
  #write(more) {
    const {
      pipeline,
      controls: { view },
    } = this;
    const { model, source, inputSize, y } = pipeline;
    const now = performance.now();
    if (!model || !source || !y || (more && now - this.#wordsAt < READABLE)) return;
    this.#wordsAt = now;
    this.sources.describe(source, inputSize, model.channels);
    this.maps.showRanges(y);
    this.detail.showFigures(model, y, view);
    this.mixed.showPlan(model.block.plan);
    const { definition } = model;
    const fromFile = Boolean(definition.state ?? definition.values);
    const code = snippet({
      definition,
      fromFile,
      source,
      size: inputSize,
      normalisation: pipeline.normalisation,
      manual: pipeline.manual,
      map: mapOptions(y, view.channel, view),
    });
    this.code.show(code, [source.file ?? '', fromFile ? `${definition.id}.safetensors` : ''].filter(Boolean));
  }

  /** @param {Report} report */
  #report(report) {
    this.performance.show(report);
    if (this.#main.dataset.state !== 'opening') this.#showState();
  }

  /** For style sheets and tests: what the page is at. */
  #showState() {
    const { loop, pipeline } = this;
    this.#main.dataset.state = !pipeline.y ? 'failed' : loop.live ? 'live' : loop.resting ? 'ready' : 'running';
  }

  // ------------------------------------------------------------------------------------------ rest

  /** @param {(model: Model, source: Source, y: Tensor, view: View) => void | Promise<void>} save */
  async #save(save) {
    const { model, source, y } = this.pipeline;
    if (!model || !source || !y) return;
    try {
      await save(model, source, y, this.controls.view);
    } catch (error) {
      this.#announce(sentence(error));
    }
  }

  /** Says it to screen readers. @param {string} message */
  #announce(message) {
    setText(this.#status, message);
  }
}
