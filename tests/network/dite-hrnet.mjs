// The weights and images of tests/pytorch/dite_hrnet.py: they follow from the names of the parameters.

/** Numbers between -1 and 1: the FNV-1a hash of a name and an index, mixed by MurmurHash3's finaliser. */
export function numbers(name, count) {
  let seed = 0x811c9dc5;
  for (const letter of Buffer.from(name)) seed = Math.imul(seed ^ letter, 0x01000193);
  return Float64Array.from({ length: count }, (_, i) => {
    let hash = (Math.imul(i, 0x9e3779b9) + seed) | 0;
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return (((hash ^ (hash >>> 16)) >>> 0) + 0.5) / 2 ** 31 - 1;
  });
}

const sizeOf = (shape) => shape.reduce((product, length) => product * length, 1);

/** Two images of 64x96 pixels. */
export const images = () => ({ shape: [2, 3, 64, 96], data: Float32Array.from(numbers('image', 2 * 3 * 64 * 96), (u) => 1.5 * u) });

/** The state dict. shapes holds the shape of every name; scales holds one number for each batch norm, by sorted names. */
export function weights(shapes, scales) {
  const norms = Object.keys(shapes).filter((name) => name.endsWith('.running_var')).map((name) => name.slice(0, -12)).sort();
  const scaleOf = new Map(norms.map((name, i) => [name, scales[i]]));
  return Object.fromEntries(Object.entries(shapes).map(([name, shape]) => {
    if (name.endsWith('num_batches_tracked')) return [name, { shape, data: new BigInt64Array(1) }];
    const [path, what] = name.split(/\.(?=\w+$)/);
    const scale = scaleOf.get(path);
    const number = scale === undefined ? parameter(name, shape) : {
      weight: (u) => 1 + 0.3 * u, bias: (u) => 0.3 * u,
      running_mean: (u) => 0.3 * Math.sqrt(scale) * u, running_var: (u) => scale * (1 + 0.5 * u),
    }[what];
    return [name, { shape, data: Float32Array.from(numbers(name, sizeOf(shape)), number) }];
  }));
}

/** How large a parameter's numbers are: kernels keep the scale of what they see. */
function parameter(name, shape) {
  if (name.endsWith('aggregation.weight')) return (u) => u * Math.sqrt(3 / sizeOf(shape.slice(2)));
  return shape.length === 4 ? (u) => u * Math.sqrt(3 / sizeOf(shape.slice(1))) : (u) => 0.3 * u;
}
