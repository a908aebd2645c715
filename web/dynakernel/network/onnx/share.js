/** Computes once what a file computes several times: exporters write a module anew for each of its calls. */

/** @typedef {import('../graph.js').Node} Node */
/** @typedef {import('../graph.js').Value} Value */

/**
 * A rule for one pass: a node with the op, inputs and attributes of an earlier one gives way to it.
 *
 * @returns {(node: Node) => Value[] | null}
 */
export function shareEqual() {
  /** @type {Map<string, Node>} */
  const seen = new Map();
  return (node) => {
    // numbers as text, since JSON has no infinity
    const asText = (/** @type {string} */ _, /** @type {unknown} */ value) =>
      (typeof value === 'number' ? String(value) : value);
    const attributes = JSON.stringify(node.attributes, asText);
    const key = `${node.op} ${node.inputs.map((value) => value?.id ?? '')} ${attributes}`;
    const earlier = seen.get(key);
    if (earlier) return earlier.outputs;
    seen.set(key, node);
    return null;
  };
}
