/** The type of the tables of operators. */

/** @typedef {import('../node.js').OnnxNode} OnnxNode */
/** @typedef {import('../trace.js').Trace} Trace */
/** @typedef {import('../trace.js').Operand} Operand */

/**
 * Makes a node's outputs. The inputs that must be there are never null; a trailing one that is left out is
 * not in the list.
 *
 * @typedef {(node: OnnxNode, inputs: any[], trace: Trace) => Operand | Operand[]} Lowering
 */

/** @typedef {readonly [least: number, most: number, lowering: Lowering]} Entry fewest and most inputs */
/** @typedef {{ readonly [operator: string]: Entry }} Table */

export const ANY = Infinity;
