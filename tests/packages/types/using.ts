// `using`, for projects whose libraries have Symbol.dispose.
import { load } from 'dynakernel';

export async function scope() {
  using dk = await load();
  using block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 8, kernelSize: 3 });
  using optimizer = dk.sgd(block);
  using x = dk.zeros([1, 3, 8, 8]);
  x[Symbol.dispose]();
  return optimizer.lr;
}
