// tfjs-core with its gradients, which only @tensorflow/tfjs registers by itself; tfjs.mjs bundles this.
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import '@tensorflow/tfjs-backend-cpu';

export * from '@tensorflow/tfjs-core';
