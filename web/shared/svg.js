/** SVG elements and scales for the pages' charts. */

const SPACE = 'http://www.w3.org/2000/svg';

/**
 * Returns a new SVG element.
 *
 * @param {string} name
 * @param {{ [name: string]: string | number }} attributes
 * @param {(Node | string)[]} children
 */
export function svg(name, attributes, ...children) {
  const created = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) created.setAttribute(key, String(value));
  created.append(...children);
  return created;
}

/**
 * Returns the distance between an axis's ticks: 1, 2 or 5 times a power of ten.
 *
 * @param {number} length  the axis's length
 * @param {number} parts  the most parts that the ticks may divide it into
 */
export function niceStep(length, parts) {
  const power = 10 ** Math.floor(Math.log10(length / parts));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => length / step <= parts) ?? 10 * power;
}
