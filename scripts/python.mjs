// A Python that has PyTorch, for the tests that ask PyTorch itself.
import { spawnSync } from 'node:child_process';

/**
 * Where it is: PYTHON where that is set, else python3 on PATH, else the system's own, which has Debian's packages where
 * another comes first on PATH; '' where none of them can import torch and numpy.
 */
export function findPyTorch() {
  const candidates = process.env.PYTHON ? [process.env.PYTHON] : ['python3', '/usr/bin/python3'];
  return candidates.find((python) => spawnSync(python, ['-c', 'import numpy, torch']).status === 0) ?? '';
}
