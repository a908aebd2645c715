/** @import { Lesson, Photo } from './types.js' */
/** @import { Random } from '../shared/random.js' */
import { LUMA } from '../shared/handmade.js';

/**
 * The ranges of the mean luma of dark and bright pictures. The gap between them makes each picture one or the other.
 */
const DARK = [0.1, 0.25];
const BRIGHT = [0.5, 0.7];

/** The least share of a photograph's side in a crop, so that the crop's mean colour is close to the photograph's. */
const LEAST_CROP = 0.8;

/** The most that a crop is made brighter or darker, so that a block learns a range of mean colours per photograph. */
const EXPOSURE = 0.1;

/**
 * A picture to learn from, and the index of the lesson's effect that is its target.
 *
 * @typedef {{ data: Uint8ClampedArray<ArrayBuffer>, side: number, effect: number }} Example
 */

/**
 * Returns the pictures on screen: whole photographs, or each once dark and once bright for lessons on brightness.
 *
 * @param {Lesson['kind']} kind
 * @param {Photo[]} photos
 * @returns {(Example & { name: string })[]}
 */
export function samples(kind, photos) {
  return photos.flatMap((photo, i) => {
    if (kind !== 'brightness') return [{ ...photo, effect: kind === 'picture' ? i : 0 }];
    return [
      { ...exposed(photo, (DARK[0] + DARK[1]) / 2), name: `${photo.name}, dark`, effect: 0 },
      { ...exposed(photo, (BRIGHT[0] + BRIGHT[1]) / 2), name: `${photo.name}, bright`, effect: 1 },
    ];
  });
}

/**
 * Returns an example to learn from. Photographs take turns, in random crops and exposures.
 *
 * @param {Lesson['kind']} kind
 * @param {Photo[]} photos
 * @param {number} index
 * @param {Random} random
 * @returns {Example}
 */
export function example(kind, photos, index, random) {
  const turn = index % photos.length;
  const crop = randomCrop(photos[turn], random);
  if (kind === 'brightness') {
    // Each photograph occurs dark and bright, and half of each batch is dark.
    const bright = (photos.length % 2 ? index : index + Math.floor(index / photos.length)) % 2;
    const [low, high] = bright ? BRIGHT : DARK;
    return { ...exposed(crop, random.between(low, high)), effect: bright };
  }
  const gain = random.between(1 - EXPOSURE, 1 + EXPOSURE);
  return { ...mapped(crop, (value) => value * gain), effect: kind === 'picture' ? turn : 0 };
}

/**
 * Returns a random square of a photograph.
 *
 * @param {Omit<Photo, 'name'>} photo
 * @param {Random} random
 */
function randomCrop({ data, side }, random) {
  const length = Math.max(1, Math.round(side * random.between(LEAST_CROP, 1)));
  const top = random.below(side - length + 1);
  const left = random.below(side - length + 1);
  const crop = new Uint8ClampedArray(length * length * 4);
  for (let row = 0; row < length; row++) {
    const start = ((top + row) * side + left) * 4;
    crop.set(data.subarray(start, start + length * 4), row * length * 4);
  }
  return { data: crop, side: length };
}

/**
 * Changes a picture's mean luma by a gamma curve. The curve keeps black and white.
 *
 * @param {Omit<Photo, 'name'>} photo
 * @param {number} wanted
 */
function exposed(photo, wanted) {
  let low = 0.05;
  let high = 20;
  let result = photo;
  // Search for the gamma by bisection. Twelve rounds are precise enough.
  for (let round = 0; round < 12; round++) {
    const gamma = Math.sqrt(low * high);
    result = mapped(photo, (value) => 255 * (value / 255) ** gamma);
    if (meanLuma(result.data) > wanted) low = gamma;
    else high = gamma;
  }
  return result;
}

/** Returns a picture's mean luma, 0..1. @param {Uint8ClampedArray} data  RGBA */
function meanLuma(data) {
  const [red, green, blue] = LUMA;
  let sum = 0;
  for (let i = 0; i < data.length; i += 4) sum += red * data[i] + green * data[i + 1] + blue * data[i + 2];
  return (sum * 4) / (data.length * 255);
}

/**
 * Returns a picture with each colour value changed.
 *
 * @param {Omit<Photo, 'name'>} photo
 * @param {(value: number) => number} change
 */
function mapped({ data, side }, change) {
  const table = Uint8ClampedArray.from({ length: 256 }, (_, value) => change(value));
  const result = new Uint8ClampedArray(data.length);
  for (let i = 0; i < data.length; i += 4) {
    result[i] = table[data[i]];
    result[i + 1] = table[data[i + 1]];
    result[i + 2] = table[data[i + 2]];
    result[i + 3] = 255;
  }
  return { data: result, side };
}
