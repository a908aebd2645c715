// A small workload in which every option differs from its default.
import { readWorkload } from '../../../web/bench/workload.js';

export const small = readWorkload('small', { cin: 6, cout: 4, k: 3, s: 2, p: 1, d: 2, g: 2, K: 3, n: 2, h: 12, w: 9 });
