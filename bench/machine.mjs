// Describes the machine of a measurement.
import os from 'node:os';

/** Texts for the notes below a table, and the load average, which tells how far to trust the figures. */
export function machine(engine = `Node ${process.versions.node}`) {
  const cpus = os.cpus();
  const cores = `${cpus.length} ${cpus.length === 1 ? 'core' : 'cores'}`;
  return {
    engine,
    machine: `${cpus[0]?.model.trim() || 'an unnamed processor'}, ${cores}`,
    system: `${os.type()} ${os.arch()}`,
    load: os.loadavg().map((value) => Math.round(value * 100) / 100),
  };
}

/** A warning if other programs were busy: then even ratios are rough. */
export function loadNotes({ load: [recent] }) {
  return recent > 0.5 ? [`The machine was busy: its load average was ${recent.toFixed(1)} when this began.`] : [];
}
