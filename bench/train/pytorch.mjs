// PyTorch as a trainer: a Python process that trains on request and waits in between.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { findPyTorch } from '../../scripts/python.mjs';

const program = fileURLToPath(new URL('pytorch.py', import.meta.url));

/**
 * By default glibc returns large tensors to the system at each step, and page faults fetch them again. That can take
 * longer than the step itself and varies widely. These variables make glibc keep the memory; other C libraries ignore
 * them.
 */
const keepMemory = { MALLOC_MMAP_THRESHOLD_: String(2 ** 30), MALLOC_TRIM_THRESHOLD_: String(2 ** 31 - 1) };

/**
 * @param {{ threads: number }} options
 * @returns {Promise<import('./session.mjs').Trainer | import('./session.mjs').Missing>}
 */
export async function pytorch({ threads }) {
  const python = findPyTorch();
  if (!python) {
    return { id: 'pytorch', missing: 'no Python here has PyTorch: apt-get install python3-torch python3-numpy' };
  }
  const child = spawn(python, [program, String(threads)], {
    stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...keepMemory },
  });
  child.stdin.on('error', () => {}); // the process has ended, and answer() reports that
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await answers.next();
    if (done) throw new Error("PyTorch's process has ended: see its message above");
    return JSON.parse(value);
  };
  const ask = (request, arrays = []) => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    for (const { buffer, byteOffset, byteLength } of arrays) {
      child.stdin.write(new Uint8Array(buffer, byteOffset, byteLength));
    }
    return answer();
  };

  const { version, threads: used } = await answer();
  return {
    id: 'pytorch',
    version,
    threads: used,
    close: () => child.stdin.end(),
    async prepare(workload, { input, target, state, lr }) {
      const { N, C, O, G, H, W, Ho, Wo, stride, padding, dilation } = workload;
      const tensors = {
        ...state, input: { shape: [N, C, H, W], data: input }, target: { shape: [N, O, Ho, Wo], data: target },
      };
      const described = Object.entries(tensors).map(([name, { shape }]) => [name, shape]);
      const arrays = Object.values(tensors).map(({ data }) => data);
      const geometry = { stride, padding, dilation };
      await ask({ prepare: { geometry, groups: G, lr, tensors: described } }, arrays);
      return { burst: (steps) => ask({ burst: steps }), dispose() {} };
    },
  };
}
