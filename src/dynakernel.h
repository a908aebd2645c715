/* dynakernel: dynamic-kernel convolution for WebAssembly, in C11 that clang and gcc compile natively too.
 *
 * A dynamic convolution computes attention from the whole image, mixes K kernels into one with it, and
 * convolves the image with the mixed kernel. One formula covers the block of Dite-HRNet (Li et al., IJCAI
 * 2022), CondConv (Yang et al., NeurIPS 2019), DyConv (Chen et al., CVPR 2020) and ODConv (Li et al., ICLR
 * 2022): see "aggregation" below.
 *
 *     dk_context *context = dk_context_create();
 *     dk_attention_config branch = {.channels = 3, .hidden = 4, .batch_norm = 1, .head = {4}};
 *     dk_aggregation_config config = {.in_channels = 3, .out_channels = 8, .kernel_size = {3, 3},
 *                                     .stride = {1, 1}, .padding = {1, 1, 1, 1}, .dilation = {1, 1},
 *                                     .groups = 1, .num_kernels = 4, .bias = 1};
 *     dk_attention *attention;
 *     dk_aggregation *aggregation;
 *     dk_attention_create(&branch, &attention);
 *     dk_aggregation_create(&config, &aggregation);
 *     dk_attention_initialise(attention, DK_INITIALISE_FAN_OUT, 1);
 *     dk_aggregation_initialise(aggregation, DK_INITIALISE_FAN_IN, 2);
 *     // x [1, 3, 512, 512] -> a [1, 4], y [1, 8, 512, 512]
 *     dk_block_forward(context, attention, aggregation, 0, x, 1, 512, 512, a, y);
 *
 * Letters, in every comment here:
 *
 *     N      batch                       M         hidden channels of the attention branch
 *     C, O   input and output channels   Rh x Rw   kernel height and width; R if they are equal
 *     G      groups                      H x W     input height and width
 *     K      number of kernels           Ho x Wo   output height and width
 *
 * Tensors are float32 and contiguous. [N, C, H, W] has N outermost and W innermost.
 *
 * Sizes are int32_t; a tensor has at most 2^29 elements.
 *
 * The following rules hold unless a function says otherwise.
 *
 * Pointers. A pointer is not NULL. An output does not overlap an input. A pointer needs no alignment beyond
 * that of its type.
 *
 * Errors. A function that returns an error other than DK_ERROR_THREADS has changed nothing. Nothing is
 * printed, and nothing is global.
 *
 * Calls. Two calls that share a context or a module must not run at the same time.
 *
 * Accuracy. Outputs match PyTorch's within 2e-5 * (1 + max|output|). Winograd and Toom-Cook exceed this bound
 * in two cases: if they are forced on more channels than the planner allows, and on inputs with heavy
 * cancellation or with outliers of about 1000 times the other values. Use DK_ALGORITHM_DIRECT then, or
 * DK_ALGORITHM_DEPTHWISE if C = G.
 *
 * NaN and infinity. They are data, not errors. Those in inputs propagate as in PyTorch. A non-finite
 * parameter or attention weight makes at least those outputs non-finite that PyTorch makes non-finite. Some
 * may be NaN instead of infinity. The same holds for parameters near FLT_MAX. */
#ifndef DYNAKERNEL_H
#define DYNAKERNEL_H

#include <stddef.h>
#include <stdint.h>

#if defined(__EMSCRIPTEN__)
#define DK_API __attribute__((used, visibility("default"))) /* exported from the wasm module */
#else
#define DK_API
#endif
#define DK_C_API /* for C programs only: the wasm module does not export these */

#ifdef __cplusplus
extern "C" {
#endif

/* ----------------------------------------------------------------------------------------- status and ABI */

typedef enum dk_status {
  DK_OK = 0,
  DK_ERROR_CONFIG = 1,  /* an invalid configuration, for example groups that do not divide the channels; an
                           algorithm that does not support the work; two modules that disagree */
  DK_ERROR_SHAPE = 2,   /* an empty batch or image; a kernel larger than the padded input; a tensor of more
                           than 2^29 elements */
  DK_ERROR_MODE = 3,    /* training mode with N = 1: one sample has no variance */
  DK_ERROR_MEMORY = 4,  /* the heap cannot grow enough for the call */
  DK_ERROR_THREADS = 5, /* a worker did not finish its part in time; see dk_context_lost */
} dk_status;

/* The number of this interface. Each change of a declaration in this header raises it. A program and a module
 * that were built apart compare their numbers before any other call. */
#define DK_ABI_VERSION 3
DK_API int32_t dk_abi(void);

/* ------------------------------------------------------------------------------------- memory and context */

/* Allocates `bytes` bytes, aligned to 64 bytes. 0 bytes are allowed. Returns NULL if the heap cannot grow. */
DK_API void *dk_alloc(size_t bytes);

/* Frees memory of dk_alloc. NULL does nothing. */
DK_API void dk_free(void *memory);

/* A context owns the workspace that calls compute in. The workspace grows to the largest need so far and is
 * kept, so repeated forward passes allocate nothing. Modules may share one context. Returns NULL if memory is
 * short. */
typedef struct dk_context dk_context;
DK_API dk_context *dk_context_create(void);
DK_C_API void dk_context_destroy(dk_context *context); /* NULL does nothing */

/* Returns the present size of the workspace in bytes. */
DK_C_API size_t dk_context_workspace(const dk_context *context);

/* Frees the workspace and returns its size in bytes. The next call that computes allocates a new one. Returns
 * 0 and frees nothing while a worker is lost (see dk_context_lost). */
DK_API size_t dk_context_trim(dk_context *context);

/* ------------------------------------------------------------------------------------------------ threads
 * A context computes on the calling thread and on workers. The host starts the workers. Each worker calls
 * dk_context_work and stays in that call until dk_context_stop. A WebAssembly build without threads has no
 * workers: leave the number of threads at 1.
 *
 * If all inputs are below 2^60, the outputs of a forward pass are the same to the last bit for any number of
 * threads. */

/* Sets the number of threads that take part in a call, including the calling thread: 1 .. 16, at first 1.
 * Numbers outside this range are clamped. Call it between other calls only. The workspace has a part for each
 * thread. */
DK_API void dk_context_set_threads(dk_context *context, int32_t threads);

/* Computes as worker `thread` until dk_context_stop. Each worker has its own number, 1 .. threads - 1. An
 * idle worker sleeps in WebAssembly; in a native program it yields its processor instead. */
DK_API void dk_context_work(dk_context *context, int32_t thread);

/* Tells all workers to return from dk_context_work, and does not wait for them. The context may be destroyed
 * once all of them have returned. */
DK_API void dk_context_stop(dk_context *context);

/* Returns how many threads take part in the next call. */
DK_API int32_t dk_context_threads(const dk_context *context);

/* Returns 1 if a worker is lost, that is, if it may still be running a task that the caller gave up. Else 0.
 *
 * A call waits for its workers for 5 seconds, plus 1 second for each 2 * 10^8 multiply-adds. Then it stops
 * the context's workers, and the context computes on the calling thread only. If a task is unfinished, the
 * call returns DK_ERROR_THREADS. Its outputs, gradients and running statistics are then undefined.
 *
 * While a worker is lost, do not free or reuse any memory of the call. This includes the caller's stack below
 * the frame of the call. Calls that need the workspace return DK_ERROR_THREADS at once. (A WebAssembly module
 * does not return from the call. It calls its import env.dk_lost, which throws and so leaves the stack
 * pointer in place.) */
DK_API int32_t dk_context_lost(dk_context *context);

/* Tells the context that all workers have ended, even a lost one. The context computes on the calling thread,
 * and no worker is lost any more. */
DK_API void dk_context_ended(dk_context *context);

/* --------------------------------------------------------------------------------------------- parameters */

/* The distributions that initial parameters are drawn from. The same seed gives the same parameters on every
 * machine. */
typedef enum dk_initialisation {
  DK_INITIALISE_FAN_IN = 0,  /* Kaiming uniform, gain sqrt(2): within +-sqrt(6 / fan in). Biases are 0 (He et
                                al., ICCV 2015) */
  DK_INITIALISE_FAN_OUT = 1, /* Kaiming normal, gain sqrt(2): deviation sqrt(2 / fan out). Biases are 0 */
  DK_INITIALISE_LINEAR = 2,  /* weights and biases uniform within +-1 / sqrt(fan in), as torch.nn.Linear */
} dk_initialisation;

/* ---------------------------------------------------------------------------------------------- attention
 * The attention branch of every dynamic convolution. T is the temperature:
 *
 *     p = mean of x over H x W
 *     z = ReLU(batch_norm(hidden_weight * p))                            eps 1e-5
 *     head h = sigmoid or softmax of (weight[h] * z + bias[h]) / T       the softmax is over the K kernels
 *
 * A branch without batch norm has z = ReLU(hidden_weight * p). A branch without a hidden layer has z = p. */

/* What a head weighs. It is the index of the head in the arrays of dk_attention. */
typedef enum dk_head {
  DK_HEAD_KERNELS = 0, /* the K kernels */
  DK_HEAD_OUTPUTS = 1, /* the O output channels */
  DK_HEAD_INPUTS = 2,  /* the C input channels */
  DK_HEAD_TAPS = 3,    /* the Rh x Rw taps */
} dk_head;

typedef struct dk_attention_config {
  int32_t channels;   /* C >= 1 */
  int32_t hidden;     /* M; 0: no hidden layer */
  int32_t batch_norm; /* 1: the hidden layer has batch norm; 0 if M is 0 */
  int32_t softmax;    /* 1: the head of the kernels is a softmax. All other heads are sigmoids */
  int32_t head[4]; /* how many numbers each head computes: K, O, C, Rh*Rw; 0: there is no such head. There is
                      one head at least */
} dk_attention_config;

/* The fields may be read, and the arrays and the temperature written, at any time between calls. The module
 * owns the arrays. Arrays that the configuration has no use for are NULL. */
typedef struct dk_attention {
  dk_attention_config config;
  int32_t outputs;         /* the sum of the heads' lengths */
  float temperature;       /* T > 0, at first 1 */
  float *hidden_weight;    /* [M, C] */
  float *bn_weight;        /* [M] */
  float *bn_bias;          /* [M] */
  float *bn_running_mean;  /* [M] */
  float *bn_running_var;   /* [M] */
  float *weight[4];        /* [head, M], or [head, C] without a hidden layer */
  float *bias[4];          /* [head] */
  int64_t batches_tracked; /* number of forward passes in training mode, if there is batch norm */
} dk_attention;

/* Batch norm starts with weight 1, mean 0 and variance 1, all other parameters with 0. Errors: CONFIG,
 * MEMORY. *attention is then NULL. */
DK_API dk_status dk_attention_create(const dk_attention_config *config, dk_attention **attention);
DK_API void dk_attention_destroy(dk_attention *attention); /* NULL does nothing */

/* Draws the weights, and for DK_INITIALISE_LINEAR the heads' biases. Resets all other parameters and the
 * running statistics to their first values. The temperature stays. */
DK_API void dk_attention_initialise(dk_attention *attention, dk_initialisation distribution, uint32_t seed);

/* x [N, C, H, W] -> outputs: [N, K], then [N, O], [N, C] and [N, Rh*Rw], without the heads that the branch
 * lacks. training 0: batch norm uses the running statistics. training 1: batch norm uses the mean and biased
 * variance of the batch. It also moves the running statistics towards the batch's mean and unbiased variance,
 * with momentum 0.1. Errors: SHAPE, MODE (training, batch norm and N = 1), MEMORY, THREADS. */
DK_API dk_status dk_attention_forward(dk_context *context, dk_attention *attention, int32_t training,
                                      const float *x, int32_t N, int32_t H, int32_t W, float *outputs);

/* -------------------------------------------------------------------------------------------- aggregation
 * The mixing and the convolution. For each sample n, output channel o, input channel c of the group of o, and
 * tap t of the Rh x Rw:
 *
 *     w[n,o,c,t] = f[n,o] * s[n,c] * q[n,t] * sum over k of a[n,k] * weight[k,o,c,t]
 *     b[n,o] = sum over k of a[n,k] * bias[k,o]
 *     y[n] = conv2d(x[n], w[n], b[n])
 *
 * The module keeps its K kernels packed in the order in which convolutions read them. A convolution mixes
 * them itself, one block of output channels at a time. */

/* The algorithms of the convolution. Each has a file src/convolution/NAME.c, with the NAME that
 * dk_algorithm_name returns. If TOOMCOOK is forced, it also stands for KARATSUBA and TOOMCOOK_DEPTHWISE.
 * Toom-Cook is by Toom (1963) and Cook (1966). KARATSUBA, WINOGRAD, TOOMCOOK, POLYPHASE and
 * TOOMCOOK_DEPTHWISE need a kernel size, a stride and a dilation that are equal in both directions. The
 * others cover rectangles too. */
typedef enum dk_algorithm {
  DK_ALGORITHM_AUTO = 0,      /* the planner chooses */
  DK_ALGORITHM_REFERENCE = 1, /* portable C in double precision: slow, for comparison */
  DK_ALGORITHM_DIRECT = 2,    /* a sum over taps; all kernels except depthwise ones */
  DK_ALGORITHM_POINTWISE = 3, /* Rh = Rw = 1, a matrix product */
  DK_ALGORITHM_DEPTHWISE = 4, /* C = G */
  DK_ALGORITHM_KARATSUBA = 5, /* F(2, 2) of even rows, 3x3 with stride 2; Karatsuba & Ofman 1962 */
  DK_ALGORITHM_WINOGRAD = 6,  /* F(4x4, 3x3), stride 1; Lavin & Gray, CVPR 2016 */
  DK_ALGORITHM_TOOMCOOK = 7,  /* F(4, R) down the columns: R = 5, 7 with stride 1, 2; R = 3 with stride 1 */
  DK_ALGORITHM_POLYPHASE = 8, /* F(4x4) of 3x3 with stride 2, by even and odd rows and columns */
  DK_ALGORITHM_IM2COL = 9,    /* a matrix product; Chellapilla, Puri & Simard, IWFHR 2006 */
  DK_ALGORITHM_TOOMCOOK_DEPTHWISE = 10, /* TOOMCOOK for C = G, R = 5, 7 and 9, stride 1 */
} dk_algorithm;

/* Returns the name of an algorithm in lower case, "auto" for 0, and NULL for a number that is no
 * dk_algorithm. Numbers have no gaps. */
DK_API const char *dk_algorithm_name(int32_t algorithm);

/* Returns 1 if the algorithm has separate inner loops for each kernel size and stride, else 0. A host that
 * warms code up runs each of these loops once. */
DK_API int32_t dk_algorithm_specialised(int32_t algorithm);

/* Pads as TensorFlow's "SAME" does, for each size: Ho = ceil(H / stride), and Wo likewise. If an odd number
 * of rows or columns is added, the bottom or the right gets one more. */
enum { DK_SAME_PADDING = -1 };

/* How a module stores its kernels. Half precision (IEEE 754's binary16) takes half the memory, and is faster
 * if the kernels do not fit the processor's caches. Each weight is rounded by at most 2^-11 of itself, and by
 * at most 2^-25 below 2^-14. Sums are float32 as before. Such a module is for inference: its backward passes
 * and those with kernels from elsewhere return DK_ERROR_CONFIG. Its weights must be finite; those beyond
 * 65504 become 65504. */
typedef enum dk_precision {
  DK_PRECISION_FLOAT32 = 0,
  DK_PRECISION_FLOAT16 = 1,
} dk_precision;

typedef struct dk_aggregation_config {
  int32_t in_channels, out_channels; /* C, O >= 1, multiples of groups */
  int32_t kernel_size[2];            /* Rh, Rw, 1 .. 32768 each */
  int32_t stride[2];                 /* vertical, horizontal, 1 .. 32768 */
  int32_t padding[4];                /* zeros at the top, left, bottom and right, 0 .. 32768; or four times
                                        DK_SAME_PADDING */
  int32_t dilation[2];               /* vertical, horizontal, 1 .. 32768 */
  int32_t groups;                    /* G >= 1 */
  int32_t num_kernels;               /* K >= 1 */
  int32_t bias;                      /* 0: the module has no biases */
  int32_t algorithm;                 /* AUTO, or the dk_algorithm that the forward pass must use: it refuses
                                        other shapes. REFERENCE is used in the backward pass too */
  int32_t precision;                 /* a dk_precision: how the kernels are stored */
} dk_aggregation_config;

typedef struct dk_aggregation dk_aggregation;

/* Kernels and biases start at zero. Errors: CONFIG, MEMORY. *aggregation is then NULL. */
DK_API dk_status dk_aggregation_create(const dk_aggregation_config *config, dk_aggregation **aggregation);
DK_API void dk_aggregation_destroy(dk_aggregation *aggregation); /* NULL does nothing */

/* Draws every kernel, and for DK_INITIALISE_LINEAR every bias; other biases become 0. Fan in is C/G*Rh*Rw,
 * fan out O*Rh*Rw. */
DK_API void dk_aggregation_initialise(dk_aggregation *aggregation, dk_initialisation distribution,
                                      uint32_t seed);

/* Write and read a part of kernel k: its output channels first .. first + count - 1, as weight [count, C/G,
 * Rh, Rw]. 0 <= k < K, and the channels are within 0 .. O - 1. */
DK_API void dk_aggregation_write(dk_aggregation *aggregation, int32_t k, int32_t first, int32_t count,
                                 const float *weight);
DK_API void dk_aggregation_read(const dk_aggregation *aggregation, int32_t k, int32_t first, int32_t count,
                                float *weight);

/* Returns the biases [K, O], or NULL if the module has none. They may be read and written at any time between
 * calls. The module owns them. */
DK_API float *dk_aggregation_bias(dk_aggregation *aggregation);

/* Returns an unpacked copy of the kernels, [K, O, C/G, Rh, Rw], for callers that write them often. The first
 * call allocates the copy, which doubles the memory of the kernels. The module keeps it until it is
 * destroyed. Call dk_aggregation_changed after each write into the copy: the next use then packs the kernels
 * again. Returns NULL if memory is short, or the kernels are in half precision. */
DK_API float *dk_aggregation_weight(dk_aggregation *aggregation);
DK_API void dk_aggregation_changed(dk_aggregation *aggregation);

/* How a forward pass of one shape computes. */
typedef struct dk_plan {
  int32_t algorithm; /* a dk_algorithm, never AUTO */
  int32_t tile;      /* outputs along an axis that are computed together; 1 without a transform */
  int32_t Ho;        /* floor((H + top + bottom - dilation*(Rh-1) - 1) / stride) + 1, all vertical */
  int32_t Wo;        /* floor((W + left + right - dilation*(Rw-1) - 1) / stride) + 1, all horizontal */
  int32_t workspace; /* bytes for each thread */
} dk_plan;

/* Writes the plan of a forward pass of x [N, C, H, W]. Errors: SHAPE, CONFIG (the forced algorithm does not
 * support this shape), MEMORY (the algorithm needs more than 128 MiB for each thread). */
DK_API dk_status dk_aggregation_plan(const dk_aggregation *aggregation, int32_t N, int32_t H, int32_t W,
                                     dk_plan *plan);

/* The factors of the formula above, for N samples. A factor that is NULL is 1 everywhere. a may be NULL only
 * if K is 1. */
typedef struct dk_mixture {
  const float *kernels; /* a [N, K] */
  const float *outputs; /* f [N, O] */
  const float *inputs;  /* s [N, C] */
  const float *taps;    /* q [N, Rh*Rw] */
} dk_mixture;

/* x [N, C, H, W] -> y [N, O, Ho, Wo]. Errors: SHAPE, CONFIG, MEMORY, THREADS. */
DK_API dk_status dk_aggregation_forward(dk_context *context, dk_aggregation *aggregation, const float *x,
                                        const dk_mixture *mixture, int32_t N, int32_t H, int32_t W, float *y);

/* Mixes the kernels and biases as a forward pass does -> weight [N, O, C/G, Rh, Rw], bias [N, O]. N >= 1. If
 * the module has no biases, bias is not written and may be NULL. */
DK_API void dk_aggregation_mix(dk_aggregation *aggregation, const dk_mixture *mixture, int32_t N,
                               float *weight, float *bias);

/* Convolves each sample with a kernel of its own: x [N, C, H, W], weight [N, O, C/G, Rh, Rw], bias [N, O] or
 * NULL -> y [N, O, Ho, Wo]. The module must have K = 1; its own kernels and biases are not used, and the
 * kernels hold anything afterwards. Errors: SHAPE, CONFIG, MEMORY, THREADS. */
DK_API dk_status dk_convolution_forward(dk_context *context, dk_aggregation *aggregation, const float *x,
                                        const float *weight, const float *bias, int32_t N, int32_t H,
                                        int32_t W, float *y);

/* -------------------------------------------------------------------------------------------------- block
 * A dynamic convolution: aggregation(x, attention(x)). Each head of the branch is the factor of its name. The
 * two modules must agree in C, and in the length of each head that there is. Without a head of kernels, K
 * must be 1. */

/* x [N, C, H, W] -> outputs as of dk_attention_forward, y [N, O, Ho, Wo]. training is that of
 * dk_attention_forward. Everything is checked before the running statistics move. Errors: those of both
 * forward passes, and CONFIG if the two modules disagree. */
DK_API dk_status dk_block_forward(dk_context *context, dk_attention *attention, dk_aggregation *aggregation,
                                  int32_t training, const float *x, int32_t N, int32_t H, int32_t W,
                                  float *outputs, float *y);

/* ----------------------------------------------------------------------------------------------- networks
 * A network is a graph of layers that runs in one call. The caller describes it by words of 32 bits. The
 * library checks each of them, so a description may come from a stranger.
 *
 *     dk_network *network;
 *     dk_schedule *schedule;
 *     dk_network_create(description, words, &network);
 *     dk_network_write(network, 0, 0, count, weight);               // for each constant
 *     dk_schedule_create(network, description, words, &schedule);   // for one set of input sizes
 *     dk_schedule_run(context, schedule, inputs, outputs, 0, dk_schedule_layers(schedule));
 *
 * The description
 *
 *     DK_DESCRIPTION, then the numbers of values, constants, inputs, outputs, kept values and nodes
 *     for each value      rank (0 .. 6), then its lengths, each 1 or more
 *     the constants, the inputs, the outputs and the kept values, as indices of values
 *     for each node       a dk_op, the numbers of its inputs, outputs and attributes,
 *                         the inputs (-1: an optional one is left out), the outputs, the attributes
 *
 * Values are tensors of float32. Nodes are in the order of execution. Each value is a constant, an input or
 * an output of one node. No value is two outputs of the network, and each output of the network is made by a
 * node. A kept value can be read after a run. An attribute is an integer or the bits of a float32. */
enum { DK_DESCRIPTION = 0x314e4b44 }; /* "DKN1" */

/* The ops. Below, v and h are the vertical and the horizontal of two numbers, and x, a, b are inputs. Shapes
 * of outputs are in the description, and must be those that the inputs and attributes make.
 *
 * A window is these attributes: stride v, h; padding top, left, bottom, right; dilation v, h. */
typedef enum dk_op {
  DK_OP_COPY = 0, /* in schedules only: a value is brought into the layout that a layer needs */

  /* x [N, C, H, W], weight [O, C/G, Rh, Rw] or one for each sample [N, O, C/G, Rh, Rw], bias [O] or none;
   * window, G. The weight may be a constant or computed. */
  DK_OP_CONV2D = 1,
  /* x [N, C, H, W], a [N, K], weight [K, O, C/G, Rh, Rw], bias [K, O], f [N, O], s [N, C], q [N, Rh*Rw];
   * window, G. All but x and weight may be left out, and a only if K is 1. weight and bias are constants. See
   * dk_mixture. */
  DK_OP_DYNAMIC_CONV2D = 2,
  /* x [N, C, H, W], hidden weight [M, C], batch norm's weight, bias, mean and variance [M], then the weight
   * [head, M] or [head, C] and the bias [head] of each of the four heads -> [N, head] of each head that has a
   * weight; eps, a float of 0 or more; temperature, a float above 0; whether the first head is a softmax, 0
   * or
   * 1. All but x may be left out, and are constants. See dk_attention. */
  DK_OP_ATTENTION = 3,
  /* x [N, C, H, W], weight [C, O/G, Rh, Rw], bias [O] or none; window, G. Ho = (H - 1) * stride + dilation *
   * (Rh - 1) + 1 - top - bottom, or up to stride - 1 more. weight and bias are constants. */
  DK_OP_CONV_TRANSPOSE2D = 4,
  /* x [N, C, ...], weight, bias, mean, variance [C]; eps, a float. */
  DK_OP_BATCH_NORM = 5,
  DK_OP_LINEAR = 6, /* x [..., I], weight [O, I], bias [O] or none. weight and bias are constants. */
  DK_OP_MATMUL = 7, /* a [..., I, J], b [..., J, L], broadcast */

  /* a, b, broadcast as in NumPy. */
  DK_OP_ADD = 8,
  DK_OP_SUBTRACT = 9,
  DK_OP_MULTIPLY = 10,
  DK_OP_DIVIDE = 11,
  DK_OP_MINIMUM = 12,
  DK_OP_MAXIMUM = 13,
  DK_OP_POWER = 14,
  DK_OP_PRELU = 15, /* x, slope, which is broadcast to x: x < 0 ? slope * x : x */

  /* x, element by element. */
  DK_OP_RELU = 16,
  DK_OP_CLIP = 17,         /* low, high: floats, perhaps infinite */
  DK_OP_LEAKY_RELU = 18,   /* slope, a float */
  DK_OP_ELU = 19,          /* alpha, a float: x > 0 ? x : alpha * (exp(x) - 1) */
  DK_OP_HARD_SIGMOID = 20, /* alpha, beta, floats: alpha * x + beta, clipped to 0 .. 1 */
  DK_OP_HARD_SWISH = 21,   /* x * clip(x / 6 + 1/2, 0, 1) */
  DK_OP_SIGMOID = 22,
  DK_OP_TANH = 23,
  DK_OP_SILU = 24,      /* x * sigmoid(x) */
  DK_OP_GELU = 25,      /* x * (1 + erf(x / sqrt(2))) / 2 */
  DK_OP_GELU_TANH = 26, /* x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2 */
  DK_OP_EXP = 27,
  DK_OP_LOG = 28,
  DK_OP_SQRT = 29,
  DK_OP_NEGATE = 30,
  DK_OP_RECIPROCAL = 31,
  DK_OP_ABS = 32,
  DK_OP_ERF = 33,

  DK_OP_SOFTMAX = 34, /* x; axis */
  DK_OP_REDUCE_MEAN =
      35, /* x; axes as a set of bits. The output may keep them with length 1, or lack them. */
  DK_OP_REDUCE_SUM = 36,
  DK_OP_REDUCE_MAX = 37,
  /* x [N, C, H, W]; kernel v, h; window; whether padding counts. The last window may be cut off at the lower
   * and right edge, as with ceil_mode. Places beyond the padding never count. */
  DK_OP_AVERAGE_POOL = 38,
  DK_OP_MAX_POOL = 39, /* x [N, C, H, W]; kernel v, h; window. Padding is never the maximum. */

  DK_OP_CONCAT = 40,          /* one or more; axis */
  DK_OP_SPLIT = 41,           /* x -> one or more; axis */
  DK_OP_SLICE = 42,           /* x; start of each axis, then step of each axis, which may be negative */
  DK_OP_RESHAPE = 43,         /* x */
  DK_OP_TRANSPOSE = 44,       /* x; for each axis of the output, the axis of x */
  DK_OP_CHANNEL_SHUFFLE = 45, /* x [N, C, ...]; groups: channel i * (C/groups) + j goes to j * groups + i */
  DK_OP_EXPAND = 46,          /* x, broadcast to the output's shape */
  /* x; mode (0 constant, 1 edge, 2 reflect), value, a float, then how many elements come before each axis,
   * which may be negative. Those behind follow from the output's shape. */
  DK_OP_PAD = 47,
  /* x [N, C, H, W]; mode (0 nearest, 1 bilinear); coordinates (0 half pixel, 1 align corners, 2 asymmetric, 3
   * half pixel, but 0 for an output of length 1); rounding of nearest (0 floor, 1 ceil, 2 half down, 3 half
   * up); scale v, h, floats: output length / input length */
  DK_OP_RESIZE = 48,
  DK_OP_DEPTH_TO_SPACE = 49, /* x [N, C, H, W]; block; mode (0 DCR, 1 CRD), as in ONNX */
  DK_OP_SPACE_TO_DEPTH = 50, /* x [N, C, H, W]; block */
  DK_OP_LRN = 51,            /* x [N, C, ...]; size, and alpha, beta, bias, floats, as in ONNX */
} dk_op;

/* A network owns the constants. It packs the kernels of convolutions, and keeps no other copy of them. */
typedef struct dk_network dk_network;

/* Makes a network whose constants are all zero. Errors: CONFIG (the description is invalid), SHAPE, MEMORY.
 * *network is then NULL. */
DK_API dk_status dk_network_create(const int32_t *description, size_t words, dk_network **network);

/* All schedules of the network must be destroyed before. NULL does nothing. */
DK_API void dk_network_destroy(dk_network *network);

/* Write and read elements first .. first + count - 1 of a constant, which has the index `constant` among the
 * constants. A read returns exactly what was written. Errors: CONFIG (there are no such elements). */
DK_API dk_status dk_network_write(dk_network *network, int32_t constant, size_t first, size_t count,
                                  const float *elements);
DK_API dk_status dk_network_read(const dk_network *network, int32_t constant, size_t first, size_t count,
                                 float *elements);

/* Returns how many bytes the constants, the kernels transformed in advance and the inner values take. */
DK_API size_t dk_network_bytes(const dk_network *network);

/* A schedule is a network planned for one set of input sizes: the layers after folding and fusing, the
 * algorithm of each convolution, and the place of each inner value. Schedules of one network share its
 * constants, and the memory of inner values: a run of one schedule overwrites those of another. */
typedef struct dk_schedule dk_schedule;

/* The description must have the constants of the network, used in the same way. It may have other sizes.
 * Errors: CONFIG, SHAPE, MEMORY. *schedule is then NULL. */
DK_API dk_status dk_schedule_create(dk_network *network, const int32_t *description, size_t words,
                                    dk_schedule **schedule);
DK_API void dk_schedule_destroy(dk_schedule *schedule); /* NULL does nothing */

/* Returns how many layers run. */
DK_API int32_t dk_schedule_layers(const dk_schedule *schedule);

/* A layer of a schedule. */
typedef struct dk_layer {
  int32_t op;          /* a dk_op: that of its first node */
  int32_t first_node;  /* the first node of the description that the layer computes */
  int32_t last_node;   /* the last node, if others are fused into it */
  int32_t output;      /* the value that the layer writes; of several the first */
  int32_t algorithm;   /* a dk_algorithm if the layer is a convolution, else 0 */
  float multiply_adds; /* multiplications with addition, in all samples */
} dk_layer;

/* Writes what layer `index` does, 0 <= index < dk_schedule_layers. */
DK_API void dk_schedule_layer(const dk_schedule *schedule, int32_t index, dk_layer *layer);

/* Runs layers first .. end - 1. A run of all layers computes the outputs. A host that wants the time of each
 * layer runs them one after the other, in order. inputs and outputs: a pointer for each input and output of
 * the description, to its elements. They must not change between the layers of one run. Errors: CONFIG (no
 * such layers), MEMORY, THREADS. */
DK_API dk_status dk_schedule_run(dk_context *context, dk_schedule *schedule, const float *const *inputs,
                                 float *const *outputs, int32_t first, int32_t end);

/* Copies a kept value of the latest run. kept is an index among the kept values. Errors: CONFIG (there is no
 * such value). */
DK_API dk_status dk_schedule_read(const dk_schedule *schedule, int32_t kept, float *elements);

/* ----------------------------------------------------------------------------------------------- training
 * Gradients of a loss L. grad_y is dL/dy, and so on. A gradient has the shape of its variable. A backward
 * pass takes grad_y, and the inputs and outputs of the forward pass. For each sample n:
 *
 *     gw[n] = correlation of x[n] with grad_y[n]                 the inputs of each tap, times grad_y
 *     gb[n] = sum of grad_y[n] over pixels
 *     gu[n] = gw[n] scaled by f[n], s[n] and q[n], as w[n] is     the gradient of the unscaled mixture u[n]
 *     grad_weight[k] += a[n,k] * gu[n]                           grad_bias[k] += a[n,k] * gb[n]
 *     grad_a[n,k] = <gu[n], weight[k]> + <gb[n], bias[k]>
 *     grad_f[n,o] = sum over c, t of gw[n] * s[n,c] * q[n,t] * u[n]     grad_s and grad_q likewise
 *     grad_x[n] = transposed convolution of grad_y[n] with w[n]
 *
 * The block's backward pass then goes through the heads, the hidden layer and pooling, which adds to grad_x.
 * In training mode the gradient passes through the mean and variance of the batch.
 *
 * Outputs. Gradients of parameters are added to their arrays, and so accumulate over calls. Gradients of
 * inputs (grad_x, and those of a mixture) are written. Any of these outputs may be NULL, and so may either
 * struct of gradients. The gradient is then computed only if another one needs it.
 *
 * Inputs. The parameters must be those of the forward pass.
 *
 * Accuracy. Gradients match PyTorch's within 1e-4 * (1 + max|gradient|). Non-finite values in x propagate as
 * in PyTorch. Non-finite values in grad_y may spread to more of the gradient. */

/* Returns the size in bytes of a tape: the values that a forward pass of the attention branch leaves for its
 * backward pass. N >= 1. */
DK_API size_t dk_attention_tape_bytes(const dk_attention *attention, int32_t N);

/* dk_attention_forward that also writes a tape. tape: dk_attention_tape_bytes bytes, aligned to 8 bytes; NULL
 * if no backward pass follows. */
DK_API dk_status dk_attention_forward_taped(dk_context *context, dk_attention *attention, int32_t training,
                                            const float *x, int32_t N, int32_t H, int32_t W, float *outputs,
                                            void *tape);

/* dk_block_forward that also writes a tape, under the same rules. */
DK_API dk_status dk_block_forward_taped(dk_context *context, dk_attention *attention,
                                        dk_aggregation *aggregation, int32_t training, const float *x,
                                        int32_t N, int32_t H, int32_t W, float *outputs, float *y,
                                        void *tape);

/* The gradients of the parameters, in the shapes of dk_attention's arrays. Each is added to, or is NULL. */
typedef struct dk_attention_gradients {
  float *hidden_weight;
  float *bn_weight;
  float *bn_bias;
  float *weight[4];
  float *bias[4];
} dk_attention_gradients;

typedef struct dk_aggregation_gradients {
  float *weight; /* [K, O, C/G, Rh, Rw] */
  float *bias;   /* [K, O]; ignored if the module has no biases */
} dk_aggregation_gradients;

/* The gradients of the factors of a mixture. Each is written, or is NULL. A gradient of a factor that is NULL
 * must be NULL. */
typedef struct dk_mixture_gradients {
  float *kernels; /* [N, K] */
  float *outputs; /* [N, O] */
  float *inputs;  /* [N, C] */
  float *taps;    /* [N, Rh*Rw] */
} dk_mixture_gradients;

/* grad_outputs, laid out as outputs -> grad_x [N, C, H, W], gradients. training and tape are those of the
 * forward pass, and so is the temperature. Errors: SHAPE, MODE, MEMORY, THREADS. */
DK_API dk_status dk_attention_backward(dk_context *context, const dk_attention *attention, int32_t training,
                                       const void *tape, int32_t N, int32_t H, int32_t W,
                                       const float *grad_outputs, float *grad_x,
                                       const dk_attention_gradients *gradients);

/* x [N, C, H, W], grad_y [N, O, Ho, Wo] -> grad_x [N, C, H, W], gradients. mixture_gradients may be NULL.
 * Errors: SHAPE, CONFIG, MEMORY, THREADS. */
DK_API dk_status dk_aggregation_backward(dk_context *context, dk_aggregation *aggregation, const float *x,
                                         const dk_mixture *mixture, int32_t N, int32_t H, int32_t W,
                                         const float *grad_y, float *grad_x,
                                         const dk_mixture_gradients *mixture_gradients,
                                         const dk_aggregation_gradients *gradients);

/* The backward pass of dk_convolution_forward: x [N, C, H, W], weight [N, O, C/G, Rh, Rw], grad_y [N, O, Ho,
 * Wo] -> grad_x [N, C, H, W], grad_weight [N, O, C/G, Rh, Rw], grad_bias [N, O]. All three are written.
 * Errors: SHAPE, CONFIG, MEMORY, THREADS. */
DK_API dk_status dk_convolution_backward(dk_context *context, dk_aggregation *aggregation, const float *x,
                                         const float *weight, int32_t N, int32_t H, int32_t W,
                                         const float *grad_y, float *grad_x, float *grad_weight,
                                         float *grad_bias);

/* x [N, C, H, W], grad_y [N, O, Ho, Wo] -> grad_x [N, C, H, W], both modules' gradients. outputs, training
 * and tape are those of the forward pass. Errors: those of both backward passes, and CONFIG if the two
 * modules disagree. */
DK_API dk_status dk_block_backward(dk_context *context, const dk_attention *attention,
                                   dk_aggregation *aggregation, int32_t training, const void *tape,
                                   const float *x, const float *outputs, int32_t N, int32_t H, int32_t W,
                                   const float *grad_y, float *grad_x,
                                   const dk_attention_gradients *attention_gradients,
                                   const dk_aggregation_gradients *aggregation_gradients);

/* The losses of PyTorch with reduction "mean", over y [count] and target [count], count >= 1. With d = y -
 * target, each returns the mean of the formula beside it. Each writes the gradient, grad [count], unless grad
 * is NULL. grad may be y. */
DK_API double dk_loss_mse(const float *y, const float *target, size_t count, float *grad); /* d^2 */
DK_API double dk_loss_l1(const float *y, const float *target, size_t count, float *grad);  /* |d| */

/* d^2 / 2 if |d| <= delta, else delta * (|d| - delta / 2). delta > 0. */
DK_API double dk_loss_huber(const float *y, const float *target, size_t count, double delta, float *grad);

/* One step of SGD, as in torch.optim, on parameter [count] in place:
 *
 *     g = gradient + weight_decay * parameter
 *     velocity = g if step = 1, else momentum * velocity + g
 *     parameter -= lr * velocity
 *
 * gradient and velocity are [count]. step counts from 1. velocity is kept between steps. If momentum is 0, g
 * takes the place of velocity, which is not touched and may be NULL. To step the kernels of an aggregation,
 * pass dk_aggregation_weight and then call dk_aggregation_changed. */
DK_API void dk_sgd_step(float *parameter, const float *gradient, float *velocity, size_t count, double lr,
                        double momentum, double weight_decay, int32_t step);

/* One step of Adam (Kingma & Ba, ICLR 2015), as in torch.optim, on parameter [count] in place:
 *
 *     g = gradient + weight_decay * parameter
 *     m = beta1 * m + (1 - beta1) * g
 *     v = beta2 * v + (1 - beta2) * g^2
 *     parameter -= lr / (1 - beta1^step) * m / (sqrt(v / (1 - beta2^step)) + eps)
 *
 * gradient, m and v are [count]. step counts from 1. m and v are kept between steps, and are 0 before the
 * first one. */
DK_API void dk_adam_step(float *parameter, const float *gradient, float *m, float *v, size_t count, double lr,
                         double beta1, double beta2, double eps, double weight_decay, int32_t step);

/* ------------------------------------------------------------------------------------------------- pixels
 * RGBA has 8 bits for each channel. It is not premultiplied and lies row by row, as in a canvas. Alpha is
 * ignored in inputs and 255 in outputs. */

/* rgba [pixels, 4] -> planes [channels, pixels]. Plane c starts at planes + c * plane_stride floats. channels
 * 3: red, green and blue. channels 1: luma, 0.299 R + 0.587 G + 0.114 B, which is PIL's "L" without rounding.
 * Each value is (v/255 - mean[c]) / std[c]. mean and std are [channels]. */
DK_API void dk_rgba_to_planes(const uint8_t *rgba, size_t pixels, int32_t channels, const float *mean,
                              const float *std, float *planes, size_t plane_stride);

/* A rectangle of a picture, in pixels. It may have fractions, and reach beyond the picture. */
typedef struct dk_box {
  double x, y, width, height;
} dk_box;

/* dk_rgba_to_planes with resizing, from src_H x src_W to H x W. rgba [rows, src_W, 4] holds the source rows
 * first_row .. first_row + rows - 1. Calls pass a few rows at a time, so a large photograph needs little
 * memory. They go from row 0 to row src_H - 1 without a gap. planes [channels, H, W] is complete after the
 * last call.
 *
 * box is the part of the source that is resized, or NULL for all of it. Beyond the source all is black. If
 * the box lies outside as a whole, one call with src_H = src_W = rows = 0 makes all planes black.
 *
 * The filter is a separable triangle with half-pixel centres. It widens if the image shrinks (antialiasing),
 * and its weights are renormalised at the edges of the box, so the filter sees only pixels that the box
 * touches. This is "bilinear" in PIL and interpolate with antialias=True in PyTorch. Errors: SHAPE (a size
 * below 1, rows outside the source, channels neither 1 nor 3, a box without area or beyond 2^30), MEMORY,
 * THREADS. */
DK_API dk_status dk_resize_rows(dk_context *context, const uint8_t *rgba, int32_t first_row, int32_t rows,
                                int32_t src_H, int32_t src_W, const dk_box *box, int32_t channels,
                                const float *mean, const float *std, float *planes, int32_t H, int32_t W);

/* range [2] = least and greatest finite value of x [count], or 0, 0 if no value is finite. */
DK_API void dk_range(const float *x, size_t count, float *range);

/* map [pixels] -> rgba [pixels, 4]. Values low .. high select the 256 colours of palette [256, 4], rounded to
 * the nearest and clamped. NaN becomes transparent black. If high > low does not hold, or if either is
 * infinite, all other pixels take the middle colour (128). */
DK_C_API void dk_map_to_rgba(const float *map, size_t pixels, float low, float high, const uint8_t *palette,
                             uint8_t *rgba);

/* dk_map_to_rgba of map [rows, width] into a part of a larger picture. Rows of rgba are row_stride pixels
 * apart. The `gap` pixels after each row become transparent black. */
DK_API void dk_map_to_rgba_rows(const float *map, size_t rows, size_t width, float low, float high,
                                const uint8_t *palette, uint8_t *rgba, size_t row_stride, size_t gap);

/* planes [3, pixels] -> rgba [pixels, 4]. Plane c starts at planes + c * plane_stride floats. Values low ..
 * high become 0 .. 255 in each channel, or 128 under the same condition as above. NaN becomes 0. */
DK_API void dk_planes_to_rgba(const float *planes, size_t plane_stride, size_t pixels, float low, float high,
                              uint8_t *rgba);

#ifdef __cplusplus
}
#endif

#endif
