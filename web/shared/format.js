/** Numbers as text for people: a true minus sign, few digits, an exponent only if tiny or huge. */

/** @param {string} text */
const minus = (text) => text.replace(/-/g, '−');

/**
 * Formats a number with about three significant digits.
 *
 * @param {number} value
 */
export function number(value) {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size < 1e-3 || size >= 1e5) return minus(value.toExponential(1));
  if (size < 0.1) return minus(value.toFixed(4));
  if (size < 10) return minus(value.toFixed(2));
  if (size < 100) return minus(value.toFixed(1));
  return minus(value.toFixed(0));
}

/**
 * Formats a number for places with little room.
 *
 * @param {number} value
 */
export function brief(value) {
  const size = Math.abs(value);
  return size >= 0.01 && size < 10 ? minus(value.toFixed(2)) : number(value);
}

/**
 * Formats an entry of a kernel. Whole numbers stay whole, so that classic kernels look as they do in textbooks.
 *
 * @param {number} value
 */
export function entry(value) {
  const rounded = Math.round(value * 1000) / 1000;
  if (Number.isInteger(rounded)) return minus(String(rounded === 0 ? 0 : rounded));
  return minus(rounded.toFixed(Math.abs(rounded) >= 10 ? 1 : 2).replace(/^-(0\.?0*)$/, '$1'));
}

/** Formats an attention weight. @param {number} value  0..1 */
export const weight = (value) => (Number.isFinite(value) ? value.toFixed(3) : number(value));

/** @param {number} milliseconds */
export function time(milliseconds) {
  if (milliseconds < 0.01) return '< 0.01 ms';
  return `${milliseconds.toFixed(milliseconds < 1 ? 2 : milliseconds < 100 ? 1 : 0)} ms`;
}

/** @param {number} count */
export function bytes(count) {
  if (count < 1000) return `${count} B`;
  if (count < 999_500) return `${(count / 1e3).toFixed(count < 9950 ? 1 : 0)} kB`;
  return `${(count / 1e6).toFixed(1)} MB`;
}

/**
 * Describes the library that runs: version, build and threads.
 *
 * @param {{ version: string, simd?: string, threads: number }} info
 */
export const buildText = ({ version, simd, threads }) => `${version} · ${simd} SIMD · ${threadsText(threads)}`;

/** @param {number} threads */
export const threadsText = (threads) => (threads === 1 ? '1 thread' : `${threads} threads`);

/**
 * Returns a file name without its ending, reduced to lower-case letters, digits and dashes.
 *
 * @param {string} name
 */
export function stem(name) {
  return (
    name
      .toLowerCase()
      .replace(/\.[a-z0-9]+$/, '')
      .normalize('NFKD')
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-+|-+$/g, '') || 'image'
  );
}
