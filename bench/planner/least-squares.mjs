// Least squares without negative numbers in the solution.

/**
 * Returns the x >= 0 with the least |A x - b|. Moves one coordinate after the other until none moves any more.
 *
 * @param {readonly (readonly number[])[]} A rows
 * @param {readonly number[]} b
 */
export function nonNegativeLeastSquares(A, b) {
  const n = A[0].length;
  // Scale the columns to length one, because their numbers may differ greatly in size.
  const lengths = Array.from({ length: n }, (_, j) => Math.hypot(...A.map((row) => row[j])) || 1);
  const gram = lengths.map((length, i) => lengths.map((other, j) =>
    A.reduce((sum, row) => sum + row[i] * row[j], 0) / length / other));
  const right = lengths.map((length, j) => A.reduce((sum, row, i) => sum + row[j] * b[i], 0) / length);
  const x = new Float64Array(n);
  for (let round = 0, moved = 1; moved > 1e-9 && round < 1e6; round++) {
    moved = 0;
    for (let i = 0; i < n; i++) {
      if (gram[i][i] === 0) continue;
      const gradient = gram[i].reduce((sum, value, j) => sum + value * x[j], -right[i]);
      const next = Math.max(0, x[i] - gradient / gram[i][i]);
      moved = Math.max(moved, Math.abs(next - x[i]));
      x[i] = next;
    }
  }
  return Array.from(x, (value, j) => value / lengths[j]);
}
