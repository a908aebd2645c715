/** Readable names of dynamic layers, as PyTorch names modules. */

/** Names that exporters give to tensors that have none. */
const MADE_UP = /^(onnx::|[\d_]*$)|[:\s]/;

/** The last part of a parameter's name that is not the layer's. */
const PARAMETER = /\.(aggregation\.)?(weight|weights|kernel|kernels)$/;

/**
 * The layer's name, and those of its kernels and biases in a state dict: as the file has them, unless the exporter
 * made them up.
 *
 * @param {string} nodeName of the convolution
 * @param {string | undefined} kernels the initializer's name
 * @param {string | undefined} biases
 * @returns {{ layer: string, weight: string, bias: string }}
 */
export function layerNames(nodeName, kernels, biases) {
  const weight = kernels === undefined || MADE_UP.test(kernels) ? null : kernels;
  const bias = biases === undefined || MADE_UP.test(biases) ? null : biases;
  if (weight !== null && PARAMETER.test(weight)) {
    const layer = weight.replace(PARAMETER, '');
    return { layer, weight, bias: bias ?? weight.replace(/\.[^.]*$/, '.bias') };
  }
  const path = modulePath(nodeName);
  const layer = path.replace(/\.aggregation$/, '');
  return { layer, weight: weight ?? `${path}.weight`, bias: bias ?? `${path}.bias` };
}

/**
 * The path of a module in the name that torch.onnx gives a node: '/stem/branch1/branch1.0/conv/Conv' is
 * 'stem.branch1.0.conv'.
 *
 * @param {string} name
 */
function modulePath(name) {
  if (!name.startsWith('/')) return name;
  const parts = name.split('/').slice(1, -1);
  // a module in a list comes after the list
  const own = parts.filter((part, i) => !parts[i + 1]?.startsWith(`${part}.`));
  return own.join('.') || name.slice(1);
}
