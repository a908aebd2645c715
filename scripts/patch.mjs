// What makes one file of another that is much like it, for web/dynakernel/inline/patch.js.

/** Shorter matches cost more than the bytes themselves. */
const LEAST_MATCH = 8;

/**
 * @param {Buffer} base
 * @param {Buffer} target
 * @returns {Buffer} its form is described at patch()
 */
export function makePatch(base, target) {
  // Where each run of eight bytes is in the base.
  const keyAt = (bytes, place) => bytes.toString('latin1', place, place + LEAST_MATCH);
  const places = new Map();
  for (let place = 0; place + LEAST_MATCH <= base.length; place++) {
    const key = keyAt(base, place);
    if (places.has(key)) places.get(key).push(place);
    else places.set(key, [place]);
  }

  // The longest match at each place, bytes of its own where there is none.
  const steps = [];
  const added = [];
  let source = 0;
  let start = 0;
  const step = (end, place, copied) => {
    const distance = place - source;
    steps.push(end - start, distance < 0 ? -2 * distance - 1 : 2 * distance, copied);
    added.push(target.subarray(start, end));
    source = place + copied;
    start = end + copied;
  };
  for (let place = 0; place < target.length;) {
    const matches = places.get(keyAt(target, place)) ?? [];
    const { match, length } = longest(matches.map((match) => ({ match, length: common(base, match, target, place) })));
    if (length < LEAST_MATCH) place++;
    else {
      step(place, match, length);
      place = start;
    }
  }
  step(target.length, source, 0);
  return Buffer.concat([Buffer.from([steps.length / 3, ...steps].flatMap(leb128)), ...added]);
}

const longest = (matches) => matches.reduce((best, one) => (one.length > best.length ? one : best), { length: 0 });

/** How many bytes are the same from these places on. */
function common(base, match, target, place) {
  let length = 0;
  while (match + length < base.length && base[match + length] === target[place + length]) length++;
  return length;
}

/** A whole number in bytes of seven bits, the lowest first. */
function leb128(number) {
  const bytes = [];
  for (; number > 127; number >>= 7) bytes.push(number & 127 | 128);
  return [...bytes, number];
}
