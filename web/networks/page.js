/** @import { Runtime, Tensor } from '../dynakernel/index.js' */
/** @import { LinkState } from '../shared/link.js' */
/** @import { Source } from '../shared/types.js' */
/** @import { Fit } from './input.js' */
/** @import { OpenPlace } from './opener.js' */
/** @import { About, Result } from './types.js' */
import { copyText } from '../shared/clipboard.js';
import { byId, setText, showError } from '../shared/dom.js';
import { sentence } from '../shared/errors.js';
import { listenForFiles } from '../shared/files.js';
import { buildText } from '../shared/format.js';
import { Link, ignoredSentence } from '../shared/link.js';
import { LinkPanel } from '../shared/link-panel.js';
import { IMAGENET, UNCHANGED } from '../shared/normalisation.js';
import { photoOf } from '../shared/photos.js';
import { SourceControl } from '../shared/source-control.js';
import { SourcePanel } from '../shared/source-panel.js';
import { openImage, openPhoto } from '../shared/sources.js';
import { FIELDS, describeLink, pictureOf } from './address.js';
import { AttentionPanel } from './attention-panel.js';
import { SHOWN } from './example.js';
import { FilePanel } from './file-panel.js';
import { sortFiles } from './files.js';
import { InnerPanel } from './inner-panel.js';
import { InputReader, pictureInput } from './input.js';
import { LayersPanel, innerNames } from './layers-panel.js';
import { Opener } from './opener.js';
import { OutputPanel } from './output-panel.js';
import { readLabels, viewsOf } from './outputs.js';
import { Pace } from './pace.js';
import { snippet } from './snippet.js';
import { TotalsPanel } from './totals-panel.js';

/** A run that takes longer than this many milliseconds is spoken of. */
const LONG = 800;

/** The page: a person opens a network and changes the picture, and runs follow. */
export class NetworksPage {
  #main = byId('networks', HTMLElement);
  #status = byId('status', HTMLElement);
  #runError = byId('run-error', HTMLElement);
  #inputHint = byId('input-hint', HTMLElement);
  #fit = byId('fit', HTMLSelectElement);
  #code = byId('snippet', HTMLElement);
  #pace = new Pace();
  #totals = new TotalsPanel();
  /** The picture, which SourceControl sets. @type {Source | null} */
  source = null;
  #normalisation = UNCHANGED;
  /** The input that is a picture. @type {string | null} */
  #pictureName = null;
  /** The inner value in view. @type {string | null} */
  #inner = null;
  /** Whether a picture is being read. */
  #isReading = false;
  #isRunning = false;
  #isWanted = false;
  #isProfileWanted = false;
  /** @type {HTMLVideoElement | null} */
  #video = null;
  /** The latest run, and what it saw. @type {{ result: Result, picture: Tensor | null } | null} */
  #latest = null;
  /** @type {string[]} */
  #labels = [];
  /** The layer and the output that a link asks for, until the example is there. @type {string | null} */
  #linkedLayer = null;
  /** @type {string | null} */
  #linkedOutput = null;

  /** @param {Runtime} dk */
  constructor(dk) {
    this.dk = dk;
    this.reader = new InputReader(dk);
    this.attention = new AttentionPanel();
    this.output = new OutputPanel(dk, () => {
      this.#draw();
      this.link.changed();
    });
    this.inner = new InnerPanel(dk, () => this.#draw());
    this.layers = new LayersPanel((name) => this.#look(name), () => this.#request({ profile: true }));
    this.files = new FilePanel({
      onFiles: (files) => this.#openFiles(files),
      onExample: () => this.#open(null),
      onCancel: () => {
        this.opener.cancel();
        this.#showState();
      },
      onSizes: (shapes) => {
        this.opener.resize(shapes);
        this.#showState();
      },
    });
    this.opener = new Opener(this.files, {
      onReady: (place, isSame) => this.#use(place, isSame),
      onStopped: (message) => showError(this.#runError, message),
      onKept: (message) => {
        if (message) this.#announce(message);
        this.#run();
        this.#showState();
      },
    });
    this.sourcePanel = new SourcePanel({
      onPhoto: (photo) => this.sourceControl.open(() => openPhoto(photo)),
      onFiles: (files) => this.#openFiles(files),
      onWebcam: () => this.sourceControl.toggleWebcam(),
      onNormalisation: (normalisation) => {
        this.#normalisation = normalisation;
        this.#showCode();
        this.#request();
      },
    });
    this.sourceControl = new SourceControl(this.sourcePanel, this, this, {
      onOpening: () => {
        this.#isReading = true;
        this.#showState();
      },
      onShown: ({ name }) => {
        this.#isReading = false;
        this.#announce(`${name} is shown.`);
        this.#request();
      },
      onKept: () => {
        this.#isReading = false;
        this.#showState();
      },
    });
    listenForFiles(byId('drop', HTMLElement), (files) => this.#openFiles(files));
    this.#fit.addEventListener('change', () => this.#request());
    this.#wireCopy();
    const state = () => this.#state();
    this.link = new Link(FIELDS, state, (linked, ignored) => this.#follow(linked, ignored));
    this.linkPanel = new LinkPanel(this.link, () => describeLink(state()));
  }

  /** The state that a link has. */
  #state() {
    const isExample = this.opener.current?.about.kind === 'example';
    const photo = this.source && photoOf(this.source);
    return {
      example: isExample ? 'darkroom' : null,
      picture: photo?.id,
      fit: this.#fit.value,
      output: isExample ? this.output.name : null,
      layer: isExample ? this.#inner : null,
    };
  }

  #wireCopy() {
    const button = byId('copy', HTMLButtonElement);
    button.addEventListener('click', async () => {
      const refusal = await copyText(button, this.#code.textContent ?? '', this.#code);
      showError(byId('copy-error', HTMLElement), refusal);
      if (!refusal) this.#announce('The code is on the clipboard.');
    });
  }

  async start() {
    const { state, ignored } = this.link.state;
    await this.#follow(state, ignored);
  }

  /**
   * Shows what a link says.
   *
   * @param {LinkState} state
   * @param {string} ignored  a sentence about the parts of the link that mean nothing; '' for none
   */
  async #follow(state, ignored) {
    this.linkPanel.say(ignored);
    this.#fit.value = state.fit;
    this.#linkedLayer = state.layer;
    this.#linkedOutput = state.output;
    if (this.opener.current?.about.kind === 'example') {
      this.#useLink(this.opener.current.about);
      this.#request();
    } else this.#open(null);
    const photo = pictureOf(state);
    if (!this.source || photoOf(this.source) !== photo) await this.sourceControl.open(() => openPhoto(photo));
  }

  /** Shows the output and the layer of the example that a link asks for. @param {About} about */
  #useLink({ layers }) {
    if (this.#linkedOutput) this.output.want(this.#linkedOutput);
    const isThere = innerNames(layers).includes(this.#linkedLayer);
    if (this.#linkedLayer && !isThere) this.linkPanel.say(ignoredSentence([`layer=${this.#linkedLayer}`]));
    this.#inner = isThere ? this.#linkedLayer : SHOWN;
    this.layers.choose(this.#inner);
    [this.#linkedOutput, this.#linkedLayer] = [null, null];
  }

  // ---------------------------------------------------------------------------------------- opening

  /** Opens what a person chose, dropped or pasted: a network, labels, a picture. @param {File[]} files */
  async #openFiles(files) {
    const { network, labels, picture } = sortFiles(files);
    if (labels) {
      this.#labels = readLabels(await labels.text());
      if (this.opener.current?.about.kind === 'onnx') this.output.labels = this.#labels;
      this.#announce(`${this.#labels.length} labels.`);
      this.#draw();
    }
    if (network) this.#open(network);
    if (picture) await this.sourceControl.open(() => openImage(picture, picture.name));
  }

  /** @param {File | null} file null for the example */
  #open(file) {
    this.opener.open(file);
    this.#showState();
  }

  /**
   * Shows a network that is ready, and runs it.
   *
   * @param {OpenPlace} place
   * @param {boolean} isSame true if only its sizes changed
   */
  #use({ about }, isSame) {
    if (!isSame) {
      this.#isRunning = false; // another network's run does not count
      this.#labelsFor(about);
      this.attention.clear();
      this.#setNormalisation(about);
    }
    this.sourcePanel.showError('');
    this.#inner = about.kind === 'example' ? SHOWN : null;
    this.layers.chosen = this.#inner;
    if (about.kind === 'example') this.#useLink(about);
    this.#pictureName = pictureInput(about.inputs);
    this.#pace.clear();
    this.layers.show(about.layers);
    this.#totals.open(about);
    setText(byId('build', HTMLElement), buildText(about.info));
    this.#describeInputs(about);
    this.#showCode();
    this.#announce(`${about.title} is open: ${about.layers.length} layers.`);
    this.#request({ profile: true });
  }

  /** @param {About} about */
  #labelsFor(about) {
    this.output.open(about);
    if (about.kind === 'onnx') this.output.labels = this.#labels;
  }

  /** Guesses the normalisation: a file does not say it. @param {About} about */
  #setNormalisation({ kind, inputs, outputs }) {
    const name = pictureInput(inputs);
    const picture = name === null ? null : inputs[name];
    const makesPictures = Object.values(outputs).some((shape) => viewsOf(shape, picture)[0] === 'image');
    const isLikely = kind === 'onnx' && picture?.[1] === 3 && !makesPictures;
    this.#normalisation = kind === 'dite-hrnet' || isLikely ? IMAGENET : UNCHANGED;
    this.sourcePanel.setNormalisation(this.#normalisation);
  }

  /** @param {About} about */
  #describeInputs({ kind, inputs }) {
    byId('input-picture', HTMLElement).hidden = this.#pictureName === null;
    byId('input-caption', HTMLElement).hidden = this.#pictureName === null;
    const others = Object.keys(inputs).filter((name) => name !== this.#pictureName);
    const list = others.map((name) => `${name} [${inputs[name].join(', ')}]`).join(', ');
    setText(this.#inputHint, [
      this.#pictureName ? 'What the network sees.' : 'This network takes no picture.',
      this.#pictureName && kind === 'onnx' ? 'The file does not say how pixels are normalised: check it below.' : '',
      others.length > 0 ? `Random numbers stand in for ${list}.` : '',
    ].filter(Boolean).join(' '));
  }

  #showCode() {
    const { current } = this.opener;
    if (current) setText(this.#code, snippet(current.about, this.#pictureName, this.#normalisation));
  }

  // --------------------------------------------------------------------------------------- running

  /** Follows a video frame by frame; null ends that. @param {HTMLVideoElement | null} video */
  follow(video) {
    this.#video = video;
    this.#pace.clear();
    if (video) this.#watch(video);
    this.#request();
  }

  /** @param {HTMLVideoElement} video */
  #watch(video) {
    const next = () => {
      if (this.#video !== video) return;
      this.#request();
      this.#watch(video);
    };
    if ('requestVideoFrameCallback' in video) video.requestVideoFrameCallback(next);
    else requestAnimationFrame(next);
  }

  /** Shows the values of a layer. @param {string} name */
  #look(name) {
    this.#inner = name;
    this.#request();
    byId('inner', HTMLElement).scrollIntoView({ block: 'nearest' }); // on a phone it is below the list
  }

  /** Asks for a run. @param {{ profile?: boolean }} [options] profile: measure the layers too */
  #request({ profile = false } = {}) {
    this.#isWanted = true;
    this.#isProfileWanted ||= profile;
    if (this.source && this.opener.current) this.link.changed();
    this.#showState();
    this.#run();
  }

  /** Runs until nothing is wanted. One run is under way at a time; frames that come meanwhile are skipped. */
  async #run() {
    const engine = this.opener.current?.engine;
    if (this.#isRunning || !engine) return;
    const isCurrent = () => this.opener.current?.engine === engine;
    this.#isRunning = true;
    while (this.#isWanted && this.#canRun()) {
      this.#isWanted = false;
      const slow = this.#speakOfLongRuns();
      try {
        await this.#runOnce();
        showError(this.#runError, '');
      } catch (error) {
        if (isCurrent()) showError(this.#runError, sentence(error));
      } finally {
        slow();
      }
      if (!isCurrent()) return; // another network runs now
      if (!this.opener.state) this.files.hideProgress();
    }
    this.#isRunning = false;
    this.#showState();
  }

  #canRun() {
    return !this.opener.isResizing && (this.#pictureName === null || this.source !== null);
  }

  async #runOnce() {
    const { engine, about } = /** @type {OpenPlace} */ (this.opener.current);
    const { inputs, picture } = this.reader.read(about.inputs, this.#pictureName, this.source,
      { fit: /** @type {Fit} */ (this.#fit.value), normalisation: this.#normalisation });
    // the first run is shown before the layers are measured, which takes several runs
    const profile = this.#isProfileWanted && this.#pace.median !== null;
    if (profile) this.#isProfileWanted = false;
    if (profile && !this.opener.state) this.files.showProgress('Measuring the layers…', null);
    /** @type {Result} */
    let result;
    try {
      result = await engine.run({ inputs, profile, inner: this.#inner, joints: true });
    } catch (error) {
      picture?.dispose();
      throw error;
    }
    if (engine !== this.opener.current?.engine) return picture?.dispose();
    this.#latest?.picture?.dispose();
    this.#latest = { result, picture };
    if (result.profile) {
      this.#pace.clear(); // the first run is slower than those that follow
      this.layers.show(result.profile);
    }
    this.#pace.add(result.ms);
    if (this.#isProfileWanted) this.#isWanted = true;
    this.#draw();
    this.#main.dataset.runs = String(Number(this.#main.dataset.runs ?? 0) + 1);
  }

  /** Says so if a run takes long. @returns {() => void} ends that */
  #speakOfLongRuns() {
    const begin = performance.now();
    const timer = setInterval(() => {
      if (this.opener.state) return;
      const seconds = Math.round((performance.now() - begin) / 1000);
      this.files.showProgress(`Running for ${seconds} s: this network takes long on this device.`, null);
    }, LONG);
    return () => clearInterval(timer);
  }

  /** Draws the latest run. */
  #draw() {
    if (!this.#latest || !this.opener.current) return;
    const { result, picture } = this.#latest;
    const { about } = this.opener.current;
    if (picture) {
      const channels = picture.shape[1];
      picture.drawMap(this.sourcePanel.canvas, { channel: channels === 3 ? 'rgb' : 0, colormap: 'gray', range: [0, 1] });
      if (this.source) {
        this.sourcePanel.describe(this.source, { width: picture.shape[3], height: picture.shape[2] }, channels);
      }
    }
    const [N] = this.#pictureName ? about.inputs[this.#pictureName] : [1];
    this.attention.show(result.attention, N, about.kind === 'example');
    this.output.show(result, picture);
    this.inner.show(result.inner);
    this.#totals.show(this.#pace, Object.keys(result.attention).length, this.#video !== null);
  }

  // ------------------------------------------------------------------------------------------ rest

  /** Sets the page's state, for style sheets and tests. */
  #showState() {
    const isRunning = this.#isRunning || this.#isWanted;
    const resting = this.#runError.hidden ? 'ready' : 'failed';
    this.#main.dataset.state = this.opener.state
      ?? (this.#isReading ? 'opening' : this.#video ? 'live' : isRunning ? 'running' : resting);
  }

  /** Tells screen readers. @param {string} message */
  #announce(message) {
    setText(this.#status, message);
  }
}
