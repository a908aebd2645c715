/** Weights that share out one whole. */

/**
 * Returns weights that add up to 1, with one of them set. The others keep their proportions, or share alike if all
 * are 0.
 *
 * @param {Float32Array} weights  [K]
 * @param {number} k
 * @param {number} value  0..1
 */
export function shareOut(weights, k, value) {
  if (weights.length === 1) return Float32Array.of(1);
  const others = weights.reduce((sum, weight, other) => (other === k ? sum : sum + weight), 0);
  return weights.map((weight, other) => {
    if (other === k) return value;
    return (1 - value) * (others > 0 ? weight / others : 1 / (weights.length - 1));
  });
}
