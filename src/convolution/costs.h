/* What the planner's cost functions count, and how long each takes.
 *
 * The unit is the nanosecond on the reference machine: one thread, relaxed SIMD, in Node. A cost is the time
 * of one group of one sample. The planner only compares costs, so work that all algorithms share is not
 * counted.
 *
 * `npm run bench -- --planner --fit` measures shapes by each algorithm (bench/planner/measurements.json says
 * on what machine), fits the constants to the times and writes their values here. Vectors are of four floats.
 */
#ifndef DK_COSTS_H
#define DK_COSTS_H

#ifndef COST
#ifdef DK_FIT /* bench/planner/fit.c defines them */
#define COST(name, value) extern double name;
#else
#define COST(name, value) static const double name = value;
#endif
#endif

/* One constant on each line: the fit rewrites these lines. */
/* clang-format off */

/* Direct convolution, and each row of products of Toom-Cook's with four channels at a time. */
COST(DIRECT_TAP, 0.15) /* a multiply-add of a vector of columns: an output channel, a tap of an input channel */
COST(DIRECT_PADDING, 0.467) /* writing a vector of padded input */
COST(DIRECT_PADDING_ROW, 7.2) /* beginning a row of padded input */

/* im2col. */
COST(IM2COL_TAP, 0.155) /* a multiply-add of a vector of pixels */
COST(IM2COL_COPY, 0.46) /* copying a vector of pixels for a tap, if taps overlap */
COST(IM2COL_COPY_ROW, 4.38) /* beginning a row of such copies */

/* Winograd. */
COST(WINOGRAD_PRODUCT, 0.14) /* one of a tile's 36 products: an input channel, a vector of output channels */
COST(WINOGRAD_KERNELS, 12.4) /* transforming the kernels of an input channel for a vector of output channels */
COST(WINOGRAD_INPUTS, 9.74) /* transforming a tile of an input channel */
COST(WINOGRAD_OUTPUTS, 57.9) /* transforming a tile of a vector of output channels back */

/* Polyphase: the same, with 81 products. */
COST(POLYPHASE_PRODUCT, 0.122)
COST(POLYPHASE_KERNELS, 13.5)
COST(POLYPHASE_INPUTS, 33.3)
COST(POLYPHASE_OUTPUTS, 72.6)

/* Toom-Cook. */
COST(FEW_TAPS_TAP, 0.0862) /* a multiply-add of a vector of columns in a row of products, one channel at a time */
COST(FEW_TAPS_BLOCK, 0.93) /* beginning and ending the sum of such a vector */
COST(TOOMCOOK_ROW, 5.8) /* beginning a row of products of an output channel */
COST(TOOMCOOK_KERNELS, 0.449) /* transforming the kernels: a product, a tap of an input channel, an output channel */
COST(TOOMCOOK_INPUTS, 0.957) /* transforming a vector of columns of one of the n input rows, for a phase */
COST(TOOMCOOK_CHANNEL, 97.9) /* beginning to transform four output rows of an input channel */
COST(TOOMCOOK_OUTPUTS, 3.21) /* transforming a vector of columns of an output channel back, for a phase */

/* Karatsuba. */
COST(KARATSUBA_TAP, 0.151) /* a multiply-add of a vector of columns */
COST(KARATSUBA_INPUTS, 8.65) /* preparing a vector of columns of the five input rows of a pair */

/* clang-format on */
#endif
