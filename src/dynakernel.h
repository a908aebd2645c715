/* dynakernel - dynamic-kernel convolution for WebAssembly, in C11 that clang and gcc compile natively too.
 *
 * A dynamic convolution looks at the whole image through a small attention branch, mixes K kernels
 * into one with the weights that the branch answers, and convolves the image with the mixture.
 * It is the block of Dite-HRNet (Li et al., IJCAI 2022), close kin to CondConv (Yang et al.,
 * NeurIPS 2019) and DyConv (Chen et al., CVPR 2020). Everything here answers what PyTorch answers,
 * within 2e-5 * (1 + max|answer|). Two things may make Winograd and Toom-Cook less exact: being forced upon
 * more channels than the planner would, and numbers that all but cancel, or of which a few are a thousand
 * times the rest; direct convolution is then the exact one.
 *
 *     dk_context *context = dk_context_create();
 *     dk_attention *attention = dk_attention_create(3, 4, 4);             // C, M, K
 *     dk_aggregation_config config = {.in_channels = 3, .out_channels = 8, .kernel_size = 3,
 *                                     .stride = 1, .padding = 1, .dilation = 1, .groups = 1,
 *                                     .num_kernels = 4, .bias = 1};
 *     dk_aggregation *aggregation;
 *     dk_aggregation_create(&config, &aggregation);
 *     dk_attention_initialise(attention, 1);
 *     dk_aggregation_initialise(aggregation, 2);
 *     dk_block_forward(context, attention, aggregation, 0, x, 1, 512, 512, a, y);
 *
 * Letters, in every comment here: N batch, C input channels, O output channels, G groups,
 * K kernels, R kernel size (square), M hidden channels of the attention branch, H x W the input,
 * Ho x Wo the output. Tensors are float32, contiguous, in the order written: [N, C, H, W] has W
 * innermost. Sizes are int32_t; a tensor has at most 2^29 elements.
 *
 * Rules that hold unless a function says otherwise: pointers are not NULL; outputs do not overlap
 * inputs; no alignment is required beyond that of the pointer's type; a function that returns an error has
 * changed nothing. NaN and infinity are data, not errors: from inputs they propagate as in PyTorch; from
 * parameters and attention weights they reach the same outputs at least, some infinities as NaN, and so do
 * parameters close to the largest float.
 * Nothing is printed, nothing is global; calls that share a context or a module must not run at once.
 */
#ifndef DYNAKERNEL_H
#define DYNAKERNEL_H

#include <stddef.h>
#include <stdint.h>

#if defined(__EMSCRIPTEN__)
#define DK_API __attribute__((used, visibility("default"))) /* exported from the wasm module */
#else
#define DK_API
#endif
#define DK_C_API /* for programs in C: the wrapper has no use for these, and the module does without */

#ifdef __cplusplus
extern "C" {
#endif

typedef enum dk_status {
  DK_OK = 0,
  DK_ERROR_CONFIG = 1, /* a configuration that no convolution has: groups that do not divide, ...;
                          an algorithm that cannot do the work; two modules that disagree */
  DK_ERROR_SHAPE = 2,  /* an empty batch or image, a kernel larger than the padded input, a tensor of
                          more than 2^29 elements */
  DK_ERROR_MODE = 3,   /* training mode with N = 1: one sample has no variance */
  DK_ERROR_MEMORY = 4, /* the heap cannot grow by what the call needs */
  DK_ERROR_THREADS = 5, /* a worker did not finish its part in time; see dk_context_lost */
} dk_status;

/* The number of this interface. It grows with every change to what this header declares: a program and a
 * module that were not built together compare it. */
#define DK_ABI_VERSION 2
DK_API int32_t dk_abi(void);

/* ------------------------------------------------------------------------------------- memory */

/* bytes of memory aligned to 64 bytes, or NULL where the heap cannot grow. 0 bytes is allowed. */
DK_API void *dk_alloc(size_t bytes);

/* Gives memory of dk_alloc back. NULL does nothing. */
DK_API void dk_free(void *memory);

/* A context owns the workspace that calls compute in. It grows to the largest need met so
 * far and stays, so that a steady forward allocates nothing; modules may share one context.
 * Returns NULL where memory is short. */
typedef struct dk_context dk_context;
DK_API dk_context *dk_context_create(void);
DK_C_API void dk_context_destroy(dk_context *context); /* NULL does nothing */

/* Bytes of workspace held now. */
DK_C_API size_t dk_context_workspace(const dk_context *context);

/* Gives the workspace back, and returns how many bytes it was; the next call that computes makes a new
 * one. 0 while a worker is lost. */
DK_API size_t dk_context_trim(dk_context *context);

/* Threads. A context computes on the thread that calls it, and on workers that the host starts: each
 * calls dk_context_work with a number of its own, 1 .. threads - 1, and is kept there until
 * dk_context_stop. That does not wait: the context may be destroyed once every call of dk_context_work
 * has returned. set_threads says how many take part, the caller's among them (1 at first, 16 at most; set
 * between calls only); the workspace holds a share for each. Of inputs below 2^60 a forward pass answers
 * the same to the last bit whatever their number. Calls from outside still come one at a time. A
 * WebAssembly build without threads has no workers: leave it at 1. Compiled natively, workers do not sleep:
 * they yield their processor while there is nothing to do. */
DK_API void dk_context_set_threads(dk_context *context, int32_t threads);
DK_API void dk_context_work(dk_context *context, int32_t thread);
DK_API void dk_context_stop(dk_context *context);

/* How many threads take part in the next call. */
DK_API int32_t dk_context_threads(const dk_context *context);

/* A call waits for workers 5 seconds, and one more for each 2 * 10^8 multiply-adds. Then it gives up: it
 * stops the context's workers, and the context computes on the caller's thread only. If a task is
 * unfinished, the call returns DK_ERROR_THREADS; its outputs, gradients and running statistics are then
 * undefined. dk_context_lost says whether a worker may still be at that task: 1, or 0 once it is out of it.
 * While it says 1 no memory of the call may be given back or used for anything else, the caller's stack
 * below the call's frame among it, and calls that need the workspace return DK_ERROR_THREADS at once.
 * (A WebAssembly module calls its import env.dk_lost instead of returning; that throws, which leaves the
 * stack pointer where it is.) */
DK_API int32_t dk_context_lost(dk_context *context);

/* Tells that all workers have ended, wherever they were: the context computes on the caller's thread, and no
 * worker is lost any more. */
DK_API void dk_context_ended(dk_context *context);

/* ---------------------------------------------------------------------------------- attention
 * KernelAttention: p = mean of x over H x W; z = conv1_weight * p; batch norm (eps 1e-5); ReLU;
 * a = sigmoid(conv2_weight * z + conv2_bias). */

/* The fields may be read and the arrays written at any time; the pointers stay the module's. */
typedef struct dk_attention {
  int32_t C, M, K;
  float *conv1_weight;     /* [M, C] */
  float *bn_weight;        /* [M] */
  float *bn_bias;          /* [M] */
  float *bn_running_mean;  /* [M] */
  float *bn_running_var;   /* [M] */
  float *conv2_weight;     /* [K, M] */
  float *conv2_bias;       /* [K] */
  int64_t batches_tracked; /* forward passes in training mode */
} dk_attention;

/* C, M, K >= 1. Parameters start at zero, batch norm at weight 1, mean 0 and variance 1.
 * Returns NULL where memory is short or an argument is below 1. */
DK_API dk_attention *dk_attention_create(int32_t C, int32_t M, int32_t K);
DK_API void dk_attention_destroy(dk_attention *attention); /* NULL does nothing */

/* Kaiming normal, fan out, gain sqrt(2), for both convolutions (He et al., ICCV 2015); biases 0,
 * batch norm weight 1, running statistics reset. The same seed gives the same parameters on every
 * machine. */
DK_API void dk_attention_initialise(dk_attention *attention, uint32_t seed);

/* x [N, C, H, W] -> a [N, K]. training 0: batch norm uses the running statistics; 1: the batch's
 * (biased variance), and moves the running ones by momentum 0.1 (unbiased variance).
 * Errors: SHAPE, MODE (training and N = 1), MEMORY. */
DK_API dk_status dk_attention_forward(dk_context *context, dk_attention *attention,
                                      int32_t training, const float *x, int32_t N, int32_t H,
                                      int32_t W, float *a);

/* -------------------------------------------------------------------------------- aggregation
 * KernelAggregation: for each sample n, w[n] = sum over k of a[n,k] * weight[k] and
 * b[n] = sum over k of a[n,k] * bias[k]; y[n] = conv2d(x[n], w[n], b[n]). The K kernels are kept
 * packed in the order in which convolutions read them and are mixed inside the convolution, a
 * block of output channels at a time. */

typedef enum dk_algorithm {
  DK_ALGORITHM_AUTO = 0,      /* the planner chooses */
  DK_ALGORITHM_REFERENCE = 1, /* portable C, double precision: slow, for comparison */
  DK_ALGORITHM_DIRECT = 2,
  DK_ALGORITHM_POINTWISE = 3, /* R = 1, a matrix product */
  DK_ALGORITHM_DEPTHWISE = 4,
  DK_ALGORITHM_WINOGRAD_2 = 5, /* F(2x2, 3x3); Lavin & Gray, CVPR 2016 */
  DK_ALGORITHM_WINOGRAD_4 = 6, /* F(4x4, 3x3) */
  DK_ALGORITHM_TOOMCOOK = 7,   /* F(4, R) along the columns, R = 3, 5, 7 (5 and 7 with stride 2
                                  too), or depthwise 5, 7, 9 with stride 1; F(2, 2) of even rows for
                                  3x3 with stride 2; Karatsuba 1962, Toom 1963, Cook 1966 */
  DK_ALGORITHM_POLYPHASE = 8,  /* F(4x4) of 3x3 with stride 2, by even and odd rows and columns */
  DK_ALGORITHM_IM2COL = 9,     /* a matrix product; Chellapilla, Puri & Simard, IWFHR 2006 */
} dk_algorithm;

typedef struct dk_aggregation_config {
  int32_t in_channels, out_channels; /* C, O >= 1, divided by groups */
  int32_t kernel_size;               /* R, 1 .. 32768 */
  int32_t stride;                    /* 1 .. 32768 */
  int32_t padding;                   /* 0 .. 32768, zeros on each side */
  int32_t dilation;                  /* 1 .. 32768 */
  int32_t groups;                    /* G >= 1 */
  int32_t num_kernels;               /* K >= 1 */
  int32_t bias;                      /* 0: none */
  int32_t algorithm;                 /* a dk_algorithm, of the forward pass; REFERENCE of the backward
                                        pass too. One that cannot do the work is refused */
} dk_aggregation_config;

typedef struct dk_aggregation dk_aggregation;

/* Kernels and biases start at zero. Errors: CONFIG, MEMORY; *aggregation is then NULL. */
DK_API dk_status dk_aggregation_create(const dk_aggregation_config *config,
                                       dk_aggregation **aggregation);
DK_API void dk_aggregation_destroy(dk_aggregation *aggregation); /* NULL does nothing */

/* Kaiming uniform, fan in, gain sqrt(2): every kernel within +-sqrt(6 / (C/G*R*R)); biases 0. */
DK_API void dk_aggregation_initialise(dk_aggregation *aggregation, uint32_t seed);

/* Write (read) the kernels of count output channels from first on, of kernel k, from (into)
 * [count, C/G, R, R]. All indices must be in range. */
DK_API void dk_aggregation_write(dk_aggregation *aggregation, int32_t k, int32_t first,
                                 int32_t count, const float *weight);
DK_API void dk_aggregation_read(const dk_aggregation *aggregation, int32_t k, int32_t first,
                                int32_t count, float *weight);

/* The biases [K, O], to be read and written at any time, or NULL where the module has none. */
DK_API float *dk_aggregation_bias(dk_aggregation *aggregation);

/* An unpacked copy of the kernels, [K, O, C/G, R, R], for those who write them often: made at the
 * first call (memory for the kernels twice over), kept until destroy. Whoever writes into it calls
 * dk_aggregation_changed, and the next use packs anew. Returns NULL where memory is short. */
DK_API float *dk_aggregation_weight(dk_aggregation *aggregation);
DK_API void dk_aggregation_changed(dk_aggregation *aggregation);

/* What a forward pass of this shape would do. */
typedef struct dk_plan {
  int32_t algorithm; /* a dk_algorithm, never AUTO */
  int32_t tile;      /* outputs along an axis that are computed as one; 1 without a transform */
  int32_t Ho, Wo;    /* floor((H + 2*padding - dilation*(R-1) - 1) / stride) + 1 */
  int32_t workspace; /* bytes, for each thread */
} dk_plan;

/* Errors: SHAPE, CONFIG (the algorithm that was forced does not cover this shape), MEMORY (it needs
 * more than 128 MiB for a thread). */
DK_API dk_status dk_aggregation_plan(const dk_aggregation *aggregation, int32_t N, int32_t H,
                                     int32_t W, dk_plan *plan);

/* x [N, C, H, W], a [N, K] -> y [N, O, Ho, Wo]. Errors: SHAPE, CONFIG, MEMORY. */
DK_API dk_status dk_aggregation_forward(dk_context *context, dk_aggregation *aggregation,
                                        const float *x, const float *a, int32_t N, int32_t H,
                                        int32_t W, float *y);

/* a [N, K] -> weight [N, O, C/G, R, R], bias [N, O] (not written, and may be NULL, where the module
 * has none): what a forward pass applies. N >= 1. */
DK_API void dk_aggregation_mix(dk_aggregation *aggregation, const float *a, int32_t N,
                               float *weight, float *bias);

/* -------------------------------------------------------------------------------------- block
 * DynamicKernelAggregation: aggregation(x, attention(x)). The two must agree in C and K. */

/* x [N, C, H, W] -> a [N, K], y [N, O, Ho, Wo]. Errors: those of both forward passes; running
 * statistics move only if the whole call succeeds. */
DK_API dk_status dk_block_forward(dk_context *context, dk_attention *attention,
                                  dk_aggregation *aggregation, int32_t training, const float *x,
                                  int32_t N, int32_t H, int32_t W, float *a, float *y);

/* ----------------------------------------------------------------------------------- training
 * Gradients of a loss L. grad_y stands for dL/dy, and so on; each has the shape of what it is the
 * gradient of. A backward pass takes grad_y and what the forward pass took and left, per sample n:
 *
 *     gw[n] = correlation of x[n] with grad_y[n]                 what each tap read, times grad_y
 *     gb[n] = sum of grad_y[n] over pixels
 *     grad_weight[k] += a[n,k] * gw[n]                           grad_bias[k] += a[n,k] * gb[n]
 *     grad_a[n,k] = <gw[n], weight[k]> + <gb[n], bias[k]>
 *     grad_x[n] = transposed convolution of grad_y[n] with w[n]
 *
 * and on through sigmoid, conv2, ReLU, batch norm, conv1 and pooling, which adds to grad_x. In
 * training mode the gradient passes through the batch's mean and variance.
 *
 * Gradients of parameters are added to what their arrays hold, so that they accumulate over calls;
 * gradients of inputs (grad_x, grad_a) are written. Any of these that is an output, and either
 * struct of gradients, may be NULL: that gradient is not wanted, and not computed where nothing else
 * needs it. Parameters must be those of the forward pass. Within 1e-4 * (1 + max|answer|) of
 * PyTorch's. What is not finite in x propagates as in PyTorch; what is not finite in grad_y may
 * spread to more of the gradient. */

/* Bytes of what the attention branch leaves for a backward pass, its tape. N >= 1. */
DK_API size_t dk_attention_tape_bytes(const dk_attention *attention, int32_t N);

/* dk_attention_forward that also writes a tape of dk_attention_tape_bytes, aligned to 8 bytes; NULL
 * for none. */
DK_API dk_status dk_attention_forward_taped(dk_context *context, dk_attention *attention,
                                            int32_t training, const float *x, int32_t N, int32_t H,
                                            int32_t W, float *a, void *tape);

/* The same for dk_block_forward. */
DK_API dk_status dk_block_forward_taped(dk_context *context, dk_attention *attention,
                                        dk_aggregation *aggregation, int32_t training,
                                        const float *x, int32_t N, int32_t H, int32_t W, float *a,
                                        float *y, void *tape);

/* The parameters' gradients, each added to, or NULL. */
typedef struct dk_attention_gradients {
  float *conv1_weight; /* [M, C] */
  float *bn_weight;    /* [M] */
  float *bn_bias;      /* [M] */
  float *conv2_weight; /* [K, M] */
  float *conv2_bias;   /* [K] */
} dk_attention_gradients;

typedef struct dk_aggregation_gradients {
  float *weight; /* [K, O, C/G, R, R] */
  float *bias;   /* [K, O]; not read where the module has none */
} dk_aggregation_gradients;

/* grad_a [N, K] -> grad_x [N, C, H, W], gradients. training and tape are those of the forward pass.
 * Errors: SHAPE, MODE, MEMORY. */
DK_API dk_status dk_attention_backward(dk_context *context, const dk_attention *attention,
                                       int32_t training, const void *tape, int32_t N, int32_t H,
                                       int32_t W, const float *grad_a, float *grad_x,
                                       const dk_attention_gradients *gradients);

/* x [N, C, H, W], a [N, K], grad_y [N, O, Ho, Wo] -> grad_x [N, C, H, W], grad_a [N, K], gradients.
 * Errors: SHAPE, MEMORY. */
DK_API dk_status dk_aggregation_backward(dk_context *context, dk_aggregation *aggregation,
                                         const float *x, const float *a, int32_t N, int32_t H,
                                         int32_t W, const float *grad_y, float *grad_x,
                                         float *grad_a, const dk_aggregation_gradients *gradients);

/* x [N, C, H, W], grad_y [N, O, Ho, Wo] -> grad_x [N, C, H, W], both modules' gradients. a [N, K],
 * training and tape are those of the forward pass. Errors: those of both, and CONFIG where the two
 * modules disagree. */
DK_API dk_status dk_block_backward(dk_context *context, const dk_attention *attention,
                                   dk_aggregation *aggregation, int32_t training, const void *tape,
                                   const float *x, const float *a, int32_t N, int32_t H, int32_t W,
                                   const float *grad_y, float *grad_x,
                                   const dk_attention_gradients *attention_gradients,
                                   const dk_aggregation_gradients *aggregation_gradients);

/* Losses over y [count] and target [count], count >= 1, as PyTorch's with reduction "mean". Each
 * returns the loss and writes its gradient, grad [count], unless grad is NULL; grad may be y.
 * d = y - target. */
DK_API double dk_loss_mse(const float *y, const float *target, size_t count, float *grad); /* d^2 */
DK_API double dk_loss_l1(const float *y, const float *target, size_t count, float *grad);  /* |d| */

/* d^2 / 2 where |d| <= delta, else delta * (|d| - delta / 2); delta > 0. */
DK_API double dk_loss_huber(const float *y, const float *target, size_t count, double delta,
                            float *grad);

/* One step of an optimizer on parameter [count], in place, as torch.optim's. Whoever steps an
 * aggregation's kernels steps dk_aggregation_weight and calls dk_aggregation_changed.
 *
 * SGD: g = gradient + weight_decay * parameter; from the second step on velocity = momentum *
 * velocity + g, at the first (step 1) velocity = g; parameter -= lr * velocity. velocity [count] is
 * state; where momentum is 0 it is not touched and may be NULL, and g takes its place. */
DK_API void dk_sgd_step(float *parameter, const float *gradient, float *velocity, size_t count,
                        double lr, double momentum, double weight_decay, int32_t step);

/* Adam (Kingma & Ba, ICLR 2015): g = gradient + weight_decay * parameter, m = beta1 * m +
 * (1 - beta1) * g, v = beta2 * v + (1 - beta2) * g^2, parameter -= lr / (1 - beta1^step) * m /
 * (sqrt(v / (1 - beta2^step)) + eps). m, v [count] are state, 0 before the first step; step counts
 * from 1. */
DK_API void dk_adam_step(float *parameter, const float *gradient, float *m, float *v, size_t count,
                         double lr, double beta1, double beta2, double eps, double weight_decay,
                         int32_t step);

/* ------------------------------------------------------------------------------------- pixels
 * RGBA is 8 bits a channel, not premultiplied, row by row, as a canvas gives it; alpha is ignored
 * on the way in and 255 on the way out. */

/* rgba [pixels, 4] -> planes [channels, pixels], plane c starting at planes + c * plane_stride.
 * channels 3: red, green, blue; 1: luma, (0.299 R + 0.587 G + 0.114 B), as PIL's "L" unrounded.
 * Each value is (v/255 - mean[c]) / std[c]; mean and std are [channels]. */
DK_API void dk_rgba_to_planes(const uint8_t *rgba, size_t pixels, int32_t channels,
                              const float *mean, const float *std, float *planes,
                              size_t plane_stride);

/* The same with resizing, src_H x src_W to H x W, fed with a few source rows at a time so that a
 * large photograph needs little memory: rgba [rows, src_W, 4] holds the source rows from first_row
 * on; calls go from row 0 to src_H - 1 without a gap, and planes [channels, H, W] is complete after
 * the last. Separable triangle filter, widened when shrinking (antialiased), half-pixel centres,
 * edges renormalised: the "bilinear" of PIL, and of PyTorch's interpolate with antialias=True.
 * Errors: SHAPE (a size below 1, rows outside the source, channels neither 1 nor 3), MEMORY. */
DK_API dk_status dk_resize_rows(dk_context *context, const uint8_t *rgba, int32_t first_row,
                                int32_t rows, int32_t src_H, int32_t src_W, int32_t channels,
                                const float *mean, const float *std, float *planes, int32_t H,
                                int32_t W);

/* range[0], range[1] = least and greatest finite value of x [count]; 0, 0 where there is none. */
DK_API void dk_range(const float *x, size_t count, float *range);

/* map [pixels] -> rgba [pixels, 4]: low..high spread over the 256 colours of palette [256, 4],
 * rounded to the nearest, clamped; NaN is drawn transparent black; where high > low does not hold,
 * or either is infinite, every other pixel takes the middle colour (128). */
DK_C_API void dk_map_to_rgba(const float *map, size_t pixels, float low, float high,
                           const uint8_t *palette, uint8_t *rgba);

/* The same for map [rows, width] as a part of a larger picture: rows of rgba lie row_stride pixels
 * apart, and the gap pixels that follow each are made transparent black. */
DK_API void dk_map_to_rgba_rows(const float *map, size_t rows, size_t width, float low, float high,
                                const uint8_t *palette, uint8_t *rgba, size_t row_stride,
                                size_t gap);

/* planes [3, pixels], plane c starting at planes + c * plane_stride -> rgba [pixels, 4], low..high
 * spread over 0..255 in each channel, or 128 as above; NaN is 0. */
DK_API void dk_planes_to_rgba(const float *planes, size_t plane_stride, size_t pixels, float low,
                              float high, uint8_t *rgba);

#ifdef __cplusplus
}
#endif

#endif
