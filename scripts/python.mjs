// Finds a Python that has PyTorch, for the tests and the benchmark that compare with PyTorch.
import { spawnSync } from 'node:child_process';

/**
 * The path: PYTHON if that is set, else python3 on PATH, else /usr/bin/python3, or '' if none of them can import torch
 * and numpy. /usr/bin/python3 has Debian's packages even if another Python comes first on PATH.
 */
export function findPyTorch() {
  const candidates = process.env.PYTHON ? [process.env.PYTHON] : ['python3', '/usr/bin/python3'];
  return candidates.find((python) => spawnSync(python, ['-c', 'import numpy, torch']).status === 0) ?? '';
}
