/** What a person can do about an operator that a network cannot run. */

const CUT = 'If it belongs to the post-processing, cut the file before it: onnx.utils.extract_model(' +
  '"model.onnx", "cut.onnx", [inputs], [outputs]).';
const FIXED = 'Export with fixed sizes (no dynamic_axes, no dynamic_shapes), then run onnxsim on the file: both turn ' +
  'what depends on sizes only into constants.';
const FLOAT = 'This is a quantised file. Export the network before quantisation, in float32.';

/**
 * Advice by the operator's name: the first pattern that matches counts.
 *
 * @type {[pattern: RegExp, advice: string][]}
 */
const BY_OPERATOR = [
  [/^(com\.microsoft|ai\.onnx\.contrib)\.(Q|.*Quant|.*Integer)/, FLOAT],
  [/^com\.microsoft\./, 'onnxruntime’s optimiser wrote this operator. Take the file that torch.onnx.export wrote, ' +
    'before optimisation.'],
  [/^(org\.pytorch\.)?aten[:.]/, 'The exporter found no ONNX operator and fell back to PyTorch’s own. Export without ' +
    'operator_export_type=ONNX_ATEN_FALLBACK, and with a newer opset_version.'],
  [/^(QLinear|Quantize|Dequantize|DynamicQuantize|ConvInteger|MatMulInteger)/, FLOAT],
  [/^(Loop|Scan|Sequence|SplitToSequence|ConcatFromSequence|Optional)/, 'A loop of the Python code came along. ' +
    'Export with dynamo=False and without torch.jit.script: tracing unrolls loops. ' + FIXED],
  [/^(NonMaxSuppression|NonZero|TopK|ArgMax|ArgMin|Unique|OneHot|Multinomial)$/, CUT],
  [/^(RoiAlign|MaxRoiPool|Compress|Scatter\w*)$/, CUT],
  [/^(Range|Shape|ConstantOfShape|Expand|Tile|Where|If|Equal|Greater|Less|Not|And|Or|Cast)$/, FIXED],
  [/^(LSTM|GRU|RNN)$/, 'There are no recurrent layers. Run the part before them, cut off with ' +
    'onnx.utils.extract_model.'],
  [/^(Attention|MultiHeadAttention|RotaryEmbedding|RMSNormalization)$/, 'Export with opset_version=17: older opsets ' +
    'write it as matrix products and a softmax, which run.'],
  [/^(GridSample|DeformConv|AffineGrid|MaxUnpool|Col2Im)$/, 'No exporter option avoids it: replace the layer, or cut ' +
    'the file before it with onnx.utils.extract_model.'],
  [/^(STFT|DFT|MelWeightMatrix|\w+Window)$/, 'Compute it before the network, and cut it off with ' +
    'onnx.utils.extract_model.'],
];

/**
 * Advice by the reason why one use of an operator is refused.
 *
 * @type {[pattern: RegExp, advice: string][]}
 */
const BY_REASON = [
  [/training mode/, 'Call model.eval() before the export.'],
  [/mode cubic/, 'Use mode="bilinear" in F.interpolate, if the network was trained so or forgives it.'],
  [/antialias/, 'Use F.interpolate(…, antialias=False).'],
  [/^computes with /, 'Convert the model to float32 before the export: model.float().'],
  [/computed /, FIXED],
  [/of [3-9] axes|of [5-9] dimensions/, 'Only one- and two-dimensional layers run.'],
];

/**
 * @param {string} operator
 * @param {string} why '' if every use of the operator is refused
 */
export function adviceFor(operator, why) {
  const byReason = why ? BY_REASON.find(([pattern]) => pattern.test(why)) : undefined;
  const found = byReason ?? BY_OPERATOR.find(([pattern]) => pattern.test(operator));
  return found ? found[1] : 'No exporter option is known that avoids it. ' + CUT;
}
