/** @import { Block } from '../playground/types.js' */
import { toSafetensors } from '../dynakernel/index.js';
import { NORMALISATION } from './gallery.js';

/**
 * The block as a .safetensors file. Metadata says what no shape shows: the arguments of the reference's module, and how
 * pixels were normalised.
 *
 * @param {Block} block
 */
export function saveBlock(block) {
  const { config } = block;
  const reference = {
    in_channels: config.inChannels,
    out_channels: config.outChannels,
    kernel_size: config.kernelSize,
    stride: config.stride,
    padding: config.padding,
    dilation: config.dilation,
    groups: config.groups,
    bias: config.bias,
    num_kernels: config.numKernels,
    mid_channels: config.midChannels,
  };
  return toSafetensors(block.stateDict(), {
    config: JSON.stringify(reference),
    mean: String(NORMALISATION.mean),
    std: String(NORMALISATION.std),
  });
}
