/** One file from another that is much like it. */

/**
 * A patch begins with the number of its steps. A step is three numbers: how many bytes of its own the
 * patch adds, how far from the end of the last copy the next one begins, twice that or, if it begins
 * before, twice the distance less one, and how many bytes it copies. The added bytes follow the steps.
 * Numbers are LEB128.
 *
 * @param {Uint8Array} base
 * @param {Uint8Array} changes what makePatch() of scripts/patch.mjs gives
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function patch(base, changes) {
  let place = 0;
  const number = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = changes[place++];
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  };

  // The steps, and the length of what they make.
  const steps = Array.from({ length: number() }, () => {
    const [added, distance, copied] = [number(), number(), number()];
    return { added, jump: distance & 1 ? -(distance + 1) / 2 : distance / 2, copied };
  });
  const result = new Uint8Array(steps.reduce((sum, { added, copied }) => sum + added + copied, 0));

  // What the patch adds, then what it copies.
  let end = 0;
  let source = 0;
  for (const { added, jump, copied } of steps) {
    result.set(changes.subarray(place, place + added), end);
    place += added;
    source += jump;
    result.set(base.subarray(source, source + copied), end + added);
    source += copied;
    end += added + copied;
  }
  return result;
}
