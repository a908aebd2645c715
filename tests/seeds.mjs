// The seeds of random tests. A fixed seed always gives the same configurations. In CI a fresh seed gives new ones.
// The test's name holds the seed. To repeat a failure: DYNAKERNEL_SEED=123 node --test FILE.
import { randomInt } from 'node:crypto';

/**
 * The fixed seed; in CI, or with DYNAKERNEL_FRESH_SEED=1, a fresh one too. DYNAKERNEL_SEED replaces both.
 *
 * @param {number} fixed
 * @param {Record<string, string | undefined>} [environment]
 * @returns {number[]}
 */
export function seedsOf(fixed, environment = process.env) {
  const { DYNAKERNEL_SEED: given, DYNAKERNEL_FRESH_SEED: fresh, CI } = environment;
  if (given) {
    const seed = Number(given);
    if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
      throw new RangeError(`DYNAKERNEL_SEED is a whole number from 0 to ${2 ** 32 - 1}, not '${given}'`);
    }
    return [seed];
  }
  const isSet = (/** @type {string | undefined} */ value) => !['', '0', 'false'].includes(value ?? '');
  return isSet(fresh) || isSet(CI) ? [fixed, randomInt(1, 2 ** 32)] : [fixed];
}

/** The part of a test's name that holds the seed. @param {number} seed */
export const seedTitle = (seed) => `DYNAKERNEL_SEED=${seed}`;
