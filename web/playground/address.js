/** What a link to the playground says, and how it is read. */

/** @import { Colormap } from '../dynakernel/index.js' */
/** @import { Fields, LinkState } from '../shared/link.js' */
/** @import { Definition } from '../shared/types.js' */
/** @import { Pipeline } from './pipeline.js' */
/** @import { KernelView, MapRange, View } from './types.js' */
import { choice, numbers, whole } from '../shared/link.js';
import { IMAGENET, SYMMETRIC, UNCHANGED } from '../shared/normalisation.js';
import { PHOTOS, photoOf } from '../shared/photos.js';
import { PRESETS } from './presets.js';
import { USUAL_PHOTO } from './usual.js';

const NORMALISATIONS = { none: UNCHANGED, symmetric: SYMMETRIC, imagenet: IMAGENET };

const RANGES = ['robust', 'auto', 'shared'];

/** The most kernels whose weights a link has. */
const MOST_WEIGHTS = 64;

/** Steps and seed are null in the state of a preset that has not been changed. @type {Fields} */
export const FIELDS = {
  preset: choice(PRESETS.map(({ id }) => id)),
  picture: choice(PHOTOS.map(({ id }) => id), USUAL_PHOTO.id),
  weights: numbers(0, 1, MOST_WEIGHTS),
  seed: whole(0, 2 ** 32 - 1, null),
  stride: whole(1, 64, null),
  padding: whole(0, 256, null),
  dilation: whole(1, 64, null),
  temperature: numbers(0.25, 34, 1),
  size: choice(['128', '256', '384', '512', '768', '1024'], '384'),
  pixels: choice(Object.keys(NORMALISATIONS)),
  map: whole(0, 4095, 0),
  kernels: choice(['colour', 'channels']),
  colours: choice(['viridis', 'gray', 'turbo', 'coolwarm']),
  range: choice(RANGES),
  between: numbers(-1e6, 1e6, 2),
};

/** The parts of a configuration that a person can change, by the names of their fields. */
const CHANGES = /** @type {const} */ (['seed', 'stride', 'padding', 'dilation']);

/**
 * Returns the state that a link has. What it cannot have is null: a block from a file, and a picture of the person's own.
 *
 * @param {Pipeline} pipeline
 * @param {View} view
 * @returns {LinkState}
 */
export function stateOf({ model, source, manual, size, normalisation }, view) {
  const preset = model && PRESETS.find(({ id }) => id === model.definition.id && !model.definition.state);
  const photo = source && photoOf(source);
  const config = model?.definition.config;
  const changed = preset && config ? CHANGES.filter((name) => config[name] !== preset.config[name]) : [];
  const temperature = preset && config?.temperature !== preset.config.temperature ? config?.temperature : undefined;
  const pixels = Object.entries(NORMALISATIONS).find(([, offered]) => offered === normalisation);
  return {
    preset: preset?.id,
    picture: photo?.id,
    weights: preset && manual ? [...manual] : null,
    ...Object.fromEntries(changed.map((name) => [name, config?.[name]])),
    temperature: temperature === undefined ? null : [temperature],
    size: String(size),
    pixels: pixels?.[0],
    map: view.channel,
    kernels: view.kernels,
    colours: view.colormap,
    range: Array.isArray(view.range) ? null : view.range,
    between: Array.isArray(view.range) ? view.range : null,
  };
}

/**
 * Returns the block that a link describes: a preset with the link's changes.
 *
 * @param {LinkState} state
 * @returns {Definition}
 */
export function definitionOf(state) {
  const preset = /** @type {Definition} */ (PRESETS.find(({ id }) => id === state.preset));
  const { seed, temperature } = preset.config;
  const changes = CHANGES.filter((name) => state[name] !== null && (name !== 'seed' || seed !== undefined));
  return {
    ...preset,
    config: {
      ...preset.config,
      ...Object.fromEntries(changes.map((name) => [name, state[name]])),
      ...(state.temperature && temperature !== undefined ? { temperature: state.temperature[0] } : {}),
    },
  };
}

/**
 * Returns the weights that a link sets by hand, if they are as many as the kernels.
 *
 * @param {LinkState} state
 * @param {number} count
 * @returns {Float32Array | null}
 */
export const weightsOf = ({ weights }, count) => (weights?.length === count ? Float32Array.from(weights) : null);

/** Returns the normalisation of a link. @param {LinkState} state */
export const normalisationOf = ({ pixels }) =>
  Object.entries(NORMALISATIONS).find(([name]) => name === pixels)?.[1] ?? UNCHANGED;

/** Returns the view of a link. @param {LinkState} state @returns {View} */
export function viewOf({ map, kernels, colours, range, between }) {
  const isRange = between?.length === 2 && between[0] < between[1];
  return {
    channel: map,
    kernels: /** @type {KernelView} */ (kernels),
    colormap: /** @type {Colormap} */ (colours),
    range: /** @type {MapRange} */ (isRange ? between : range),
  };
}

/**
 * Says what a link to this state has, and what it cannot have.
 *
 * @param {LinkState} state
 */
export function describeLink({ preset, picture, weights }) {
  const has = [
    preset && `the preset${weights ? ', the weights that you set by hand' : ''}`, picture && 'the picture', 'the view',
  ].filter(Boolean);
  const lacks = [!preset && 'a block from a file', !picture && 'a picture of your own'].filter(Boolean);
  const rest = lacks.length === 0 ? '' : ` It cannot have ${lacks.join(' or ')}: whoever opens it sees one of this page’s.`;
  return `The link has ${has.slice(0, -1).join(', ')} and ${has.at(-1)}.${rest}`.replace('has  and', 'has');
}
