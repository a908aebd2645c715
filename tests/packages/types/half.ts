// Float16Array, for projects that have it.
import { toSafetensors } from 'dynakernel';
import type { Runtime, StateValue } from 'dynakernel';

export function half(dk: Runtime) {
  const value: StateValue = { shape: [2], data: Float16Array.of(1, 2) };
  return [dk.tensor(Float16Array.of(1, 2), [2]), toSafetensors({ value })];
}
