/** What the pages' charts are made of. */

const SPACE = 'http://www.w3.org/2000/svg';

/**
 * A new SVG element.
 *
 * @param {string} name
 * @param {{ [name: string]: string | number }} attributes
 * @param {(Node | string)[]} children
 */
export function svg(name, attributes, ...children) {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

/**
 * A step of 1, 2 or 5 times a power of ten that divides a length into a handful of parts.
 *
 * @param {number} length
 * @param {number} parts  at most
 */
export function niceStep(length, parts) {
  const power = 10 ** Math.floor(Math.log10(length / parts));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => length / step <= parts) ?? 10 * power;
}
