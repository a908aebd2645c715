// Where a measurement was made.
import os from 'node:os';

/** Texts for a table's notes, and the load, which tells how far to trust them. */
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

/** A warning where other programs were at work, in which case even ratios are rough. */
export function loadNotes({ load: [recent] }) {
  return recent > 0.5 ? [`The machine was busy: its load average was ${recent.toFixed(1)} when this began.`] : [];
}
