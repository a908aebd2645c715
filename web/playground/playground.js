/** @import { Runtime, Tensor } from '../dynakernel/index.js' */
/** @import { LinkState } from '../shared/link.js' */
/** @import { Photo } from '../shared/photos.js' */
/** @import { Definition, Normalisation, Source } from '../shared/types.js' */
/** @import { Report } from './loop.js' */
/** @import { Times } from './pipeline.js' */
/** @import { View } from './types.js' */
import { DynakernelError } from '../dynakernel/index.js';
import { byId, setText, showError } from '../shared/dom.js';
import { sentence } from '../shared/errors.js';
import { listenForFiles, readStateFile, sortFiles } from '../shared/files.js';
import { takeState } from '../shared/handoff.js';
import { Link, ignoredSentence } from '../shared/link.js';
import { LinkPanel } from '../shared/link-panel.js';
import { UNCHANGED } from '../shared/normalisation.js';
import { SourceControl } from '../shared/source-control.js';
import { SourcePanel } from '../shared/source-panel.js';
import { photoOf } from '../shared/photos.js';
import { openImage, openPhoto } from '../shared/sources.js';
import { FIELDS, definitionOf, describeLink, normalisationOf, stateOf, viewOf, weightsOf } from './address.js';
import { AttentionPanel } from './attention-panel.js';
import { BlockPanel } from './block-panel.js';
import { SnippetPanel, saveMap, saveMaps, saveState } from './exports.js';
import { Loop } from './loop.js';
import { MapDetail } from './map-detail.js';
import { MapsPanel } from './maps-panel.js';
import { MixedPanel } from './mixed-panel.js';
import { Model } from './model.js';
import { PerformancePanel } from './performance-panel.js';
import { Pipeline, STAGE } from './pipeline.js';
import { mapOptions } from './ranges.js';
import { ScalesPanel } from './scales-panel.js';
import { snippet } from './snippet.js';
import { TemperatureControl } from './temperature-control.js';
import { pictureOf } from './usual.js';
import { ViewControls } from './view-controls.js';

/** Milliseconds between changes of the text while frames run without pause. A person could not read faster ones. */
const READABLE = 250;

/** The page: a person changes the source, the block, the weights or the view, and frames follow. */
export class Playground {
  #main = byId('playground', HTMLElement);
  #status = byId('status', HTMLElement);
  #size = byId('size', HTMLSelectElement);
  #saveError = byId('save-error', HTMLElement);
  #frames = 0;
  #lastWritten = 0;
  #kernelsStale = true;
  /** @type {SourcePanel | BlockPanel | null} the panel that shows the latest frame's error */
  #failedPanel = null;
  /** @type {{ prefix: string, definition: Definition }[]} the blocks of the file that was opened last */
  #blocks = [];
  /** The normalisation that a person chose last. It applies to blocks that define none. */
  #normalisation = UNCHANGED;

  /** @param {Runtime} dk */
  constructor(dk) {
    this.dk = dk;
    this.pipeline = new Pipeline(dk);
    this.loop = new Loop(
      (first, more) => this.#frame(first, more),
      (report) => this.#report(report),
    );
    this.controls = new ViewControls(() => {
      this.#kernelsStale = true;
      this.#request(STAGE.drawing);
    });
    this.performance = new PerformancePanel(dk);
    this.attention = new AttentionPanel(
      (weights) => this.#setManual(weights),
      () => this.#setManual(null),
    );
    this.temperature = new TemperatureControl((temperature) => this.#setTemperature(temperature));
    this.scales = new ScalesPanel();
    this.mixed = new MixedPanel();
    this.maps = new MapsPanel((channel) => this.controls.select(channel));
    this.detail = new MapDetail(dk);
    this.code = new SnippetPanel((message) => this.#announce(message));
    this.sourcePanel = new SourcePanel({
      onPhoto: (photo) => this.sourceControl.open(() => openPhoto(photo)),
      onFiles: (files) => this.#openFiles(files),
      onWebcam: () => this.sourceControl.toggleWebcam(),
      onNormalisation: (normalisation) => this.#normalise(normalisation),
    });
    this.sourceControl = new SourceControl(this.sourcePanel, this.pipeline, this.loop, {
      onOpening: () => this.#showOpening(),
      onShown: ({ name }) => {
        this.#announce(`${name} is shown.`);
        this.#request(STAGE.pixels);
      },
      onKept: () => this.#showState(),
    });
    this.blockPanel = new BlockPanel({
      onPreset: (definition) => this.#choose(definition),
      onSteps: (steps) => this.#alter(steps),
      onSeed: (seed) => this.#alter({ seed }),
      onFiles: (files) => this.#openFiles(files),
      onSave: () => this.#saveState(),
      onPrefix: (index) => this.#tryUse(this.#blocks[index].definition, true),
    });
    const state = () => stateOf(this.pipeline, this.controls.view);
    this.link = new Link(FIELDS, state, (linked, ignored) => this.#follow(linked, ignored));
    this.linkPanel = new LinkPanel(this.link, () => describeLink(state()));
    this.#wire();
  }

  #wire() {
    listenForFiles(byId('drop', HTMLElement), (files) => this.#openFiles(files));
    byId('save-map', HTMLButtonElement).addEventListener('click', () => this.#saveMaps(saveMap));
    byId('save-maps', HTMLButtonElement).addEventListener('click', () => this.#saveMaps(saveMaps));
    this.#size.addEventListener('change', () => this.#setInput({ size: Number(this.#size.value) }));
    const continuous = byId('continuous', HTMLInputElement);
    continuous.addEventListener('change', () => this.loop.setContinuous(continuous.checked));
  }

  /** @param {{ photo: Photo, source: Promise<Source> }} early  the photograph that is being opened already */
  async start(early) {
    const { state, ignored } = this.link.state;
    await this.#follow(state, ignored, early);
    const taught = takeState();
    if (taught) await this.#openFiles([taught]);
  }

  // ------------------------------------------------------------------------------------------ link

  /**
   * Shows what a link says.
   *
   * @param {LinkState} state
   * @param {string} ignored  a sentence about the parts of the link that mean nothing; '' for none
   * @param {{ photo: Photo, source: Promise<Source> }} [early]
   */
  async #follow(state, ignored, early) {
    this.linkPanel.say(ignored);
    this.pipeline.size = Number(state.size);
    this.#size.value = state.size;
    this.#normalisation = normalisationOf(state);
    this.#choose(definitionOf(state));
    const { model } = this.pipeline;
    const weights = model && weightsOf(state, model.numKernels);
    if (weights) this.#setManual(weights);
    else if (state.weights) this.linkPanel.say(ignoredSentence([`weights=${state.weights.join('~')}`]));
    this.controls.set(viewOf(state));
    const photo = pictureOf(state.picture);
    const { source } = this.pipeline;
    if (source && photoOf(source) === photo) return;
    await this.sourceControl.open(() => (early?.photo === photo ? early.source : openPhoto(photo)));
  }

  // ---------------------------------------------------------------------------------------- source

  /** @param {Partial<{ size: number, normalisation: Normalisation }>} change */
  #setInput(change) {
    Object.assign(this.pipeline, change);
    this.#request(STAGE.pixels);
  }

  /** Applies the normalisation that a person chose. @param {Normalisation} normalisation */
  #normalise(normalisation) {
    // A block's own normalisation applies to that block only.
    if (normalisation !== this.pipeline.model?.definition.normalisation) this.#normalisation = normalisation;
    this.#setInput({ normalisation });
  }

  // ----------------------------------------------------------------------------------------- block

  /** Runs a preset. @param {Definition} definition */
  #choose(definition) {
    if (this.#tryUse(definition, true)) this.#offerBlocks([], 0);
  }

  /** Changes settings of the block. @param {Partial<Definition['config']>} change */
  #alter(change) {
    const definition = this.pipeline.model?.definition;
    if (definition) this.#tryUse({ ...definition, config: { ...definition.config, ...change } }, false);
  }

  /**
   * Offers the blocks of one file for choice.
   *
   * @param {{ prefix: string, definition: Definition }[]} blocks
   * @param {number} index  the index of the block that runs
   */
  #offerBlocks(blocks, index) {
    this.#blocks = blocks;
    this.blockPanel.offer(blocks.map(({ prefix }) => prefix), index);
  }

  /**
   * Runs another block from now on. If that fails, the old block stays and the page shows the reason.
   *
   * @param {Definition} definition
   * @param {boolean} fresh  see #use
   * @returns {boolean} true if the new block runs
   */
  #tryUse(definition, fresh) {
    try {
      this.#use(definition, fresh);
      return true;
    } catch (error) {
      if (this.pipeline.model) this.blockPanel.show(this.pipeline.model.definition);
      this.blockPanel.showError(sentence(error));
      return false;
    }
  }

  /**
   * Runs another block from now on. Throws if the definition is invalid or the picture is too small for the block; the
   * old block then stays.
   *
   * @param {Definition} definition
   * @param {boolean} fresh  true for a new block: it ignores weights set by hand and the chosen channel
   */
  #use(definition, fresh) {
    // Make the block, and check that it can read the picture.
    const previous = this.pipeline.model;
    const model = new Model(this.dk, definition);
    try {
      const { width, height } = this.pipeline.inputSize;
      if (this.pipeline.source) model.block.check([1, model.channels, height, width]);
    } catch (error) {
      model.dispose();
      throw error;
    }
    // From here on nothing fails.
    this.pipeline.model = model;
    if (fresh) {
      this.pipeline.manual = null;
      this.pipeline.normalisation = definition.normalisation ?? this.#normalisation;
      this.sourcePanel.setNormalisation(this.pipeline.normalisation);
    }
    previous?.dispose();
    this.controls.setModel(model, fresh);
    this.attention.build(model);
    this.temperature.setModel(model);
    this.scales.build(model);
    this.mixed.setModel(model);
    this.blockPanel.show(definition);
    this.#kernelsStale = true;
    if (fresh)
      this.#announce(`${definition.title}: ${model.numKernels} kernels, ${model.outChannels} output channels.`);
    this.#request(STAGE.pixels);
  }

  /**
   * Opens images and state dicts that a person chose, dropped or pasted.
   *
   * @param {File[]} files
   */
  async #openFiles(files) {
    const { images: [image], state } = sortFiles(files);
    if (image) await this.sourceControl.open(() => openImage(image, image.name));
    if (state) await this.#openState(state);
  }

  /** Runs the first block of a file that runs on this picture. @param {File} file */
  async #openState(file) {
    this.#showOpening();
    try {
      const blocks = await readStateFile(file);
      /** @type {unknown} */
      let refusal;
      const index = blocks.findIndex(({ definition }) => {
        try {
          this.#use(definition, true);
          return true;
        } catch (error) {
          refusal ??= error;
          return false;
        }
      });
      if (index < 0) throw refusal;
      this.#offerBlocks(blocks, index);
    } catch (error) {
      this.blockPanel.showError(sentence(error));
      this.#showState();
    }
  }

  /** Sets the weights by hand; null lets the attention decide again. @param {Float32Array | null} weights */
  #setManual(weights) {
    const changed = (weights === null) !== (this.pipeline.manual === null);
    this.pipeline.manual = weights;
    if (changed) this.#announce(weights ? 'Weights are set by hand.' : 'Weights are the attention’s again.');
    this.#request(weights ? STAGE.convolution : STAGE.attention);
  }

  /** Sets the temperature of the block's attention. @param {number} temperature */
  #setTemperature(temperature) {
    const { model } = this.pipeline;
    if (!model || model.block.temperature === null) return;
    model.setTemperature(temperature);
    this.#request(STAGE.attention);
  }

  // ---------------------------------------------------------------------------------------- frames

  /** Asks for frames. @param {number} first  the first STAGE that a change affects */
  #request(first) {
    this.#main.dataset.state = 'running';
    if (this.pipeline.source) this.link.changed(); // until then, the page shows nothing that a link could have
    this.loop.request(first);
  }

  /**
   * Runs and draws a frame.
   *
   * @param {number} first  the first STAGE to run
   * @param {boolean} more  true if other frames follow
   * @returns {Times | null} null if the frame failed
   */
  #frame(first, more) {
    const { pipeline } = this;
    if (!pipeline.model || !pipeline.source) return null;
    try {
      const times = pipeline.run(first);
      const start = performance.now();
      this.#draw(times.pixels !== undefined);
      this.#write(more);
      times.drawing = performance.now() - start;
      this.#main.dataset.frames = String(++this.#frames);
      if (this.#failedPanel) this.#recover(this.#failedPanel);
      return times;
    } catch (error) {
      const isSource = error instanceof DynakernelError && error.code === 'ERR_IMAGE';
      this.#failedPanel = isSource ? this.sourcePanel : this.blockPanel;
      this.#failedPanel.showError(sentence(error));
      this.#showState();
      return null;
    }
  }

  /** Hides the errors of frames that failed. @param {SourcePanel | BlockPanel} panel */
  #recover(panel) {
    panel.showError('');
    showError(this.#saveError, ''); // there are maps to save again
    this.#failedPanel = null;
  }

  /** Draws a frame. @param {boolean} newPixels  true if the input's pixels changed */
  #draw(newPixels) {
    const {
      pipeline,
      controls: { view },
    } = this;
    const { model, picture, a, y } = pipeline;
    if (!model || !picture || !a || !y) return;
    if (newPixels) {
      picture.drawMap(this.sourcePanel.canvas, {
        channel: model.channels === 3 ? 'rgb' : 0,
        colormap: 'gray',
        range: [0, 1],
      });
    }
    this.attention.show(a.toArray(), pipeline.automatic, pipeline.manual !== null);
    this.scales.show(model, view);
    if (this.#kernelsStale) this.attention.drawKernels(model, view);
    this.#kernelsStale = false;
    model.mix(a);
    this.mixed.draw(model, view);
    this.detail.draw(model, this.maps.draw(model, y, view), y, view);
  }

  /**
   * Writes a frame's text: after the last frame, and from time to time before.
   *
   * @param {boolean} more  true if other frames follow
   */
  #write(more) {
    const {
      pipeline,
      controls: { view },
    } = this;
    const { model, source, inputSize, y } = pipeline;
    const now = performance.now();
    if (!model || !source || !y || (more && now - this.#lastWritten < READABLE)) return;
    this.#lastWritten = now;
    this.sourcePanel.describe(source, inputSize, model.channels);
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

  #showOpening() {
    this.#main.dataset.state = 'opening';
  }

  /** Sets the page's state, for style sheets and tests. */
  #showState() {
    const { loop, pipeline } = this;
    this.#main.dataset.state = !pipeline.y ? 'failed' : loop.live ? 'live' : loop.resting ? 'ready' : 'running';
  }

  // ------------------------------------------------------------------------------------------ rest

  /** @param {(model: Model, source: Source, y: Tensor, view: View) => Promise<void>} save */
  async #saveMaps(save) {
    const { model, source, y } = this.pipeline;
    try {
      if (!model || !source || !y)
        throw new Error('there is no map to save: the latest frame failed, and the page shows an earlier one');
      await save(model, source, y, this.controls.view);
      showError(this.#saveError, '');
    } catch (error) {
      showError(this.#saveError, sentence(error));
    }
  }

  #saveState() {
    const { model, normalisation } = this.pipeline;
    try {
      if (!model) throw new Error('there is no block to save');
      saveState(model, normalisation);
      if (this.#failedPanel !== this.blockPanel) this.blockPanel.showError('');
    } catch (error) {
      this.blockPanel.showError(sentence(error));
    }
  }

  /** Tells screen readers. @param {string} message */
  #announce(message) {
    setText(this.#status, message);
  }
}
