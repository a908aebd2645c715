// Describes the machine of a measurement.
import os from 'node:os';

/** Node's version, and the flags that this process has. */
const node = () => [`Node ${process.versions.node}`, ...process.execArgv].join(' ');

/** Returns texts for the notes below a table, and the load average. A high load makes the figures less reliable. */
export function machine(engine = node()) {
  const cpus = os.cpus();
  const cores = `${cpus.length} ${cpus.length === 1 ? 'core' : 'cores'}`;
  return {
    engine,
    machine: `${cpus[0]?.model.trim() || 'an unnamed processor'}, ${cores}`,
    system: `${os.type()} ${os.arch()}`,
    load: os.loadavg().map((value) => Math.round(value * 100) / 100),
  };
}

/**
 * Returns a warning if other programs were busy. Even ratios are then rough.
 *
 * @param {{ [note: string]: any }} environment
 */
export function loadNotes({ load: [recent] }) {
  return recent > 0.5 ? [`The machine was busy: its load average was ${recent.toFixed(1)} when this began.`] : [];
}
