/**
 * dynakernel: dynamic-kernel convolution in WebAssembly. A small attention branch looks at an image
 * and mixes K convolution kernels into one. The image is convolved with that kernel.
 *
 * @example
 * import { load } from 'dynakernel';
 *
 * const dk = await load();
 * const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 8, kernelSize: 3 });
 * block.loadStateDict(await (await fetch('block.safetensors')).arrayBuffer());
 * const y = block.forward(dk.fromImage(canvas)); // [1, 8, H - 2, W - 2]
 * y.drawMap(outputCanvas, { channel: 0, colormap: 'viridis' });
 */
export {
  DynakernelError, cosineSchedule, parseCheckpoint, parseSafetensors, stepSchedule, toFloat32, toSafetensors,
  warmupSchedule,
} from './common.js';
export { load } from './load.js';

/** @typedef {import('./abi.js').Algorithm} Algorithm */
/** @typedef {import('./aggregation.js').KernelAggregation} KernelAggregation */
/** @typedef {import('./attention.js').KernelAttention} KernelAttention */
/** @typedef {import('./backward.js').BackwardOptions} BackwardOptions */
/** @typedef {import('./block.js').DynamicKernelAggregation} DynamicKernelAggregation */
/** @typedef {import('./box.js').Box} Box */
/** @typedef {import('./canvas.js').DrawableCanvas} DrawableCanvas */
/** @typedef {import('./canvas.js').Picture} Picture */
/** @typedef {import('./colormaps.js').Colormap} Colormap */
/** @typedef {import('./cond-conv.js').CondConv2d} CondConv2d */
/** @typedef {import('./cond-conv.js').Routing} Routing */
/** @typedef {import('./config-family.js').CondConv2dOptions} CondConv2dOptions */
/** @typedef {import('./config-family.js').DyConv2dOptions} DyConv2dOptions */
/** @typedef {import('./config-family.js').DynamicConvolutionOptions} DynamicConvolutionOptions */
/** @typedef {import('./config-family.js').OdConv2dOptions} OdConv2dOptions */
/** @typedef {import('./config-family.js').RoutingOptions} RoutingOptions */
/** @typedef {import('./config.js').AggregationOptions} AggregationOptions */
/** @typedef {import('./config.js').AttentionOptions} AttentionOptions */
/** @typedef {import('./config.js').BlockOptions} BlockOptions */
/** @typedef {import('./config.js').Extent} Extent */
/** @typedef {import('./convolution.js').Mixed} Mixed */
/** @typedef {import('./convolution.js').Plan} Plan */
/** @typedef {import('./draw.js').GridOptions} GridOptions */
/** @typedef {import('./draw.js').MapOptions} MapOptions */
/** @typedef {import('./draw.js').Range} Range */
/** @typedef {import('./dynamic-convolution.js').DynamicConvolution} DynamicConvolution */
/** @typedef {import('./errors.js').ErrorCode} ErrorCode */
/** @typedef {import('./image.js').ImageOptions} ImageOptions */
/** @typedef {import('./load.js').LoadOptions} LoadOptions */
/** @typedef {import('./load.js').WasmFile} WasmFile */
/** @typedef {import('./load.js').WasmSource} WasmSource */
/** @typedef {import('./loss.js').HuberOptions} HuberOptions */
/** @typedef {import('./loss.js').LossOptions} LossOptions */
/** @typedef {import('./loss.js').LossResult} LossResult */
/** @typedef {import('./module.js').Module} Module */
/** @typedef {import('./network/arguments.js').Shapes} Shapes */
/** @typedef {import('./network/arguments.js').Tensors} Tensors */
/** @typedef {import('./network/layers.js').BuildNetwork} BuildNetwork */
/** @typedef {import('./network/layers.js').NetworkLayers} NetworkLayers */
/** @typedef {import('./network/layers.js').NetworkOptions} NetworkOptions */
/** @typedef {import('./network/layers/base.js').LayerOptions} LayerOptions */
/** @typedef {import('./network/layers/convolutions.js').Conv2dOptions} Conv2dOptions */
/** @typedef {import('./network/layers/convolutions.js').ConvTranspose2dOptions} ConvTranspose2dOptions */
/** @typedef {import('./network/layers/dynamic.js').AggregationLayerOptions} AggregationLayerOptions */
/** @typedef {import('./network/layers/dynamic.js').AttentionLayerOptions} AttentionLayerOptions */
/** @typedef {import('./network/layers/dynamic.js').BlockLayerOptions} BlockLayerOptions */
/** @typedef {import('./network/layers/reductions.js').PoolOptions} PoolOptions */
/** @typedef {import('./network/layers/reductions.js').ReductionOptions} ReductionOptions */
/** @typedef {import('./network/layers/shapes.js').InterpolateOptions} InterpolateOptions */
/** @typedef {import('./network/layers/value.js').NetworkValue} NetworkValue */
/** @typedef {import('./network/layers/windows.js').Padding} Padding */
/** @typedef {import('./network/layers/windows.js').Pair} Pair */
/** @typedef {import('./network/network.js').Network} Network */
/** @typedef {import('./network/network.js').ProfiledLayer} ProfiledLayer */
/** @typedef {import('./network/onnx/onnx-network.js').OnnxOptions} OnnxOptions */
/** @typedef {import('./network/network.js').NetworkAttention} NetworkAttention */
/** @typedef {import('./network/schedule.js').NetworkLayer} NetworkLayer */
/** @typedef {import('./numbers.js').NestedNumbers} NestedNumbers */
/** @typedef {import('./numbers.js').TypedArray} TypedArray */
/** @typedef {import('./optimizer-dict.js').OptimizerGroup} OptimizerGroup */
/** @typedef {import('./optimizer-dict.js').OptimizerSource} OptimizerSource */
/** @typedef {import('./optimizer-dict.js').OptimizerStateDict} OptimizerStateDict */
/** @typedef {import('./optimizer-rules.js').AdamOptions} AdamOptions */
/** @typedef {import('./optimizer-rules.js').SgdOptions} SgdOptions */
/** @typedef {import('./optimizer.js').Optimizer} Optimizer */
/** @typedef {import('./runtime.js').Info} Info */
/** @typedef {import('./runtime.js').Runtime} Runtime */
/** @typedef {import('./safetensors-write.js').SafetensorsOptions} SafetensorsOptions */
/** @typedef {import('./safetensors.js').SafetensorsFile} SafetensorsFile */
/** @typedef {import('./schedules.js').Schedule} Schedule */
/** @typedef {import('./source.js').ImageSource} ImageSource */
/** @typedef {import('./state.js').LoadResult} LoadResult */
/** @typedef {import('./state.js').LoadStateOptions} LoadStateOptions */
/** @typedef {import('./state.js').StateDict} StateDict */
/** @typedef {import('./state.js').StateSource} StateSource */
/** @typedef {import('./state.js').StateValue} StateValue */
/** @typedef {import('./tempered.js').DyConv2d} DyConv2d */
/** @typedef {import('./tempered.js').OdConv2d} OdConv2d */
/** @typedef {import('./tensor.js').Tensor} Tensor */
