// Milliseconds of each workload in Node.
import { ownEngines } from '../web/bench/engine.js';
import { runSession } from '../web/bench/session.js';
import { machine } from './machine.mjs';
import { loadPeers } from './peers/node.mjs';
import { comparisonReport, reportName, showProgress } from './reports.mjs';

/** @param {import('./options.mjs').Options} options */
export async function compareInNode({ workloads, peers, threads: [threads], simd, revectorize, pace }) {
  const engines = [...await ownEngines({ simd, threads }), ...await loadPeers(peers, { threads })];
  const comparison = await runSession({ workloads, engines, pace, environment: machine(), onProgress: showProgress });
  for (const engine of engines) await engine.close();
  const name = peers.includes('onnxruntime-node') ? 'node-native' : 'node';
  return [comparisonReport(reportName(name, { threads, simd, revectorize }), comparison)];
}
