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
    let key = node.op;
    for (let i = 0; i < node.inputs.length; i++) key += ` ${node.inputs[i]?.id}`;
    // the attributes are part of the key only if they are needed to tell nodes apart
    for (let earlier = seen.get(key); earlier; earlier = seen.get(key)) {
      if (attributesText(earlier) === attributesText(node)) return earlier.outputs;
      key += ` ${attributesText(node)}`;
    }
    seen.set(key, node);
    return null;
  };
}

/** Attributes are numbers, words, and lists of numbers.
 * @param {Node} node */
const attributesText = ({ attributes }) => Object.keys(attributes).map((name) => `${name} ${attributes[name]}`).join();
