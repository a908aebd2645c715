// A process that runs one workload until V8 has optimised its functions. The first argument is the workload, as JSON,
// the second the module's file. V8 writes its trace to standard output.
import { openRuntime } from '../../web/bench/engine.js';
import { blockOptions, makeNumbers, stateDict } from '../../web/bench/workload.js';

/** A function is optimised after about 130 calls, and sooner if it loops much. */
const RUNS = 300;

const workload = JSON.parse(process.argv[2]);
const { dk } = await openRuntime({ simd: 'auto', threads: 1, wasm: process.argv[3] });
const { input, state } = makeNumbers(workload);
const block = dk.dynamicKernelAggregation(blockOptions(workload));
block.loadStateDict(stateDict(state));
const x = dk.tensor(input, [workload.N, workload.C, workload.H, workload.W]);
const y = block.forward(x);
for (let i = 0; i < RUNS; i++) block.forward(x, { out: y });
