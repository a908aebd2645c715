/** Changes between PyTorch's layouts and those of engines whose channels are last. */

/**
 * [rows, columns] -> [columns, rows]; if columns are C x taps, [rows, C, taps] -> [taps, C, rows].
 *
 * @param {Float32Array} data
 * @param {number} rows
 * @param {number} columns
 * @param {number} [taps]
 */
export function transpose(data, rows, columns, taps = 1) {
  const C = columns / taps;
  const result = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    for (let c = 0; c < C; c++) {
      for (let tap = 0; tap < taps; tap++) result[(tap * C + c) * rows + row] = data[(row * C + c) * taps + tap];
    }
  }
  return result;
}
