/** Joins zero padding to the convolution after it. */
import { MAX_EXTENT } from '../../abi.js';

/** @typedef {import('../graph.js').Node} Node */
/** @typedef {import('../graph.js').Value} Value */
/** @typedef {import('./rewriter.js').Rewriter} Rewriter */

/**
 * A convolution whose padding has that of a node before.
 *
 * @param {Node} node
 * @param {Rewriter} r
 * @returns {Node} the node itself if there is none
 */
export function withoutPadding(node, r) {
  const [x, ...rest] = node.inputs;
  const pad = r.maker(x, 'pad');
  if (!pad) return node;
  const { before, after, mode, value } = pad.attributes;
  if (mode !== 'constant' || value !== 0 || before.length !== 4) return node;
  const sides = [before[2], before[3], after[2], after[3]];
  const padding = node.attributes.padding.map((/** @type {number} */ side, /** @type {number} */ i) => side + sides[i]);
  const isImage = [before[0], before[1], after[0], after[1], ...sides.map((side) => Math.min(side, 0))]
    .every((side) => side === 0);
  if (!isImage || padding.some((/** @type {number} */ side) => side > MAX_EXTENT)) return node;
  return { ...node, inputs: [pad.inputs[0], ...rest], attributes: { ...node.attributes, padding } };
}
