// Reads what V8 prints with --trace-wasm-revectorize.

/**
 * What V8 did to a function.
 *
 * @typedef {object} FunctionPairs
 * @property {string} name
 * @property {number} seeds pairs of adjacent stores, or of operands of a sum, from which V8 looks for more pairs
 * @property {{ [operation: string]: number }} pairs how many of each operation it joined
 * @property {{ [reason: string]: number }} broken why it gave up seeds, and how often
 */

/** An operation and the two nodes that are joined, such as "[F32x4Add](#548, #544)". */
const NODE = /^Revec: Print \d+: \[?(\w+)\]?\(#\d+, #\d+\)$/;

/**
 * @param {string} text of one process, in which V8 compiled one function after the other
 * @returns {FunctionPairs[]} in the order of their first compilation; of a later one of the same name, the latest
 */
export function readTrace(text) {
  /** @type {Map<string, FunctionPairs>} */
  const functions = new Map();
  /** @type {FunctionPairs | undefined} */
  let current;
  let lists = false; // whether the lines list the nodes that are joined
  let before = '';
  for (const line of text.split('\n')) {
    const begin = /^Begin revec function (\S+)/.exec(line);
    if (begin) {
      current = { name: begin[1], seeds: 0, pairs: {}, broken: {} };
      functions.set(current.name, current);
      lists = false;
    }
    if (!current) continue;
    if (line === '{') current.seeds++;
    const decision = /^Revec: Print \d+: (.*)$/.exec(line)?.[1];
    if (decision?.startsWith('Decide to vectorize')) lists = !decision.includes('intersect');
    else if (/^(Finished|Revec: (?!Print))/.test(line)) lists = false;
    const node = lists ? NODE.exec(line) : null;
    if (node) count(current.pairs, node[1]);
    if (/^Revec: Run \d+: Build tree failed/.test(line)) count(current.broken, reasonOf(before));
    before = line;
  }
  return [...functions.values()];
}

/**
 * The reason that V8 gives in the line before a failure, such as "Break side effect". Some failures have none.
 *
 * @param {string} line
 */
const reasonOf = (line) =>
  /^Revec: (?!NewPackNode)\w+ \d+: (.*)$/.exec(line)?.[1].replace(/[[\]]|#\d+/g, '').trim() ?? 'no reason given';

/** @param {{ [name: string]: number }} counts @param {string} name */
function count(counts, name) {
  counts[name] = (counts[name] ?? 0) + 1;
}
