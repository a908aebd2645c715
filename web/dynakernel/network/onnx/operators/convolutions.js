/** Convolutions. */
import { asBefore, asImage, readWindows } from './windows.js';

/** @typedef {import('./table.js').Operand} Operand */
/** @typedef {import('./table.js').OnnxNode} OnnxNode */
/** @typedef {import('./table.js').Trace} Trace */

/** @type {import('./table.js').Table} */
export const CONVOLUTIONS = {
  Conv: [2, 3, conv],
  ConvTranspose: [2, 3, convTranspose],
};

/**
 * The attributes of a convolution.
 *
 * @param {OnnxNode} node
 * @param {Operand} x
 * @param {Operand} weight
 */
function convolution(node, x, weight) {
  const extents = weight.shape.slice(2);
  const kernel = node.ints('kernel_shape', extents);
  const groups = node.int('group', 1);
  if (weight.shape.length !== x.shape.length || kernel.some((length, i) => length !== extents[i])) {
    throw node.error(`has a weight [${weight.shape.join(', ')}] that does not fit an input of ` +
      `${x.shape.length} dimensions and kernel_shape [${kernel.slice(0, 8).join(', ')}]`);
  }
  if (!(groups >= 1)) throw node.error(`has ${groups} groups`);
  return { windows: readWindows(node, x.shape, extents), groups };
}

/**
 * @param {OnnxNode} node
 * @param {Operand[]} operands
 * @param {Trace} t
 */
function conv(node, operands, t) {
  const x = operands[0];
  const weight = operands[1];
  const { windows: { stride, padding, dilation }, groups } = convolution(node, x, weight);
  // recognise.js deals with weights and biases that are computed
  const inputs = [asImage(x, t), asImage(weight, t)];
  if (operands.length > 2) inputs.push(operands[2]);
  return asBefore(t.emit('conv2d', inputs, { stride, padding, dilation, groups }), x, t);
}

/**
 * @param {OnnxNode} node
 * @param {Operand[]} inputs
 * @param {Trace} t
 */
function convTranspose(node, [x, weight, bias], t) {
  const { windows: { kernel, stride, padding, dilation }, groups } = convolution(node, x, weight);
  const rank = x.shape.length - 2;
  const extra = node.ints('output_padding', new Array(rank).fill(0));
  const outputShape = node.ints('output_shape', null);
  const auto = node.string('auto_pad', 'NOTSET');
  if (extra.length !== rank || !extra.every((length) => length >= 0 && length < 2 ** 15)) {
    throw node.error(`has an output_padding [${extra.slice(0, 8).join(', ')}] for ${rank} axes`);
  }
  if (outputShape && outputShape.length !== rank && outputShape.length !== rank + 2) {
    throw node.error(`has an output_shape of ${outputShape.length} numbers for ${rank} axes`);
  }

  // the padding follows from the size that the output is to have
  const sides = [...padding];
  const outputPadding = rank === 1 ? [0, extra[0]] : extra;
  if (outputShape || auto === 'SAME_UPPER' || auto === 'SAME_LOWER') {
    for (let i = 2 - rank; i < 2; i++) {
      const length = x.shape[i + rank];
      const wanted = outputShape ? outputShape[outputShape.length - 2 + i] : length * stride[i];
      const total = stride[i] * (length - 1) + outputPadding[i] + (kernel[i] - 1) * dilation[i] + 1 - wanted;
      if (!(Math.abs(total) < 2 ** 15)) {
        throw node.error(`has the impossible output_shape [${outputShape?.slice(0, 8).join(', ')}]`);
      }
      // a size that the windows do not reach is filled up at the end
      if (total < 0) outputPadding[i] -= total;
      const needed = Math.max(total, 0);
      const half = Math.floor(needed / 2);
      [sides[i], sides[2 + i]] = auto === 'SAME_UPPER' ? [half, needed - half] : [needed - half, half];
    }
  }
  if (bias && !bias.data) throw node.unsupported('a computed bias');
  const inputs = [asImage(x, t), asImage(weight, t), ...(bias ? [bias] : [])];
  return asBefore(t.emit('convTranspose2d', inputs, { stride, padding: sides, outputPadding, dilation, groups }), x, t);
}
