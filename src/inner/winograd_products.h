/* The products inside Winograd and polyphase convolution: between transformed inputs and kernels. */
#ifndef DK_WINOGRAD_PRODUCTS_H
#define DK_WINOGRAD_PRODUCTS_H

#include "inner/winograd_tiles.h"

/* One of the n*n products: M [tiles][8] = or += the sum over channels of V times U. v and m are planes of V
 * and M; u is one value of U [channels][U_CHANNEL]; channels is a multiple of four. Only `count` of the eight
 * output channels are wanted. V and M have room for a multiple of t->v_tiles tiles. */
void winograd_multiply(const tiling *t, const float *v, const float *u, int32_t channels, int32_t tiles,
                       int32_t count, bool add, float *m);

#endif
