#include "convolution/convolution.h"
uint64_t convolution_prepared_bytes(const algorithm *c, const geometry *s) {
  (void)c;
  (void)s;
  return 0;
}
void convolution_prepare(const algorithm *c, const geometry *s, const packed_kernels *k, void *p) {
  (void)c;
  (void)s;
  (void)k;
  (void)p;
}
