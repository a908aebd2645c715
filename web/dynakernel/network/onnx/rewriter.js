/** Rewrites a graph, node by node, from patterns that end in the node. */

/** @typedef {import('../graph.js').GraphBuilder} GraphBuilder */
/** @typedef {import('../graph.js').Node} Node */
/** @typedef {import('../graph.js').Value} Value */

export class Rewriter {
  /** @param {GraphBuilder} builder */
  constructor(builder) {
    this.builder = builder;
    /** The node that makes a value. @type {Map<Value, Node>} */
    this.makers = new Map();
    /** How often a value is used. @type {Map<Value, number>} */
    this.uses = new Map();
    /** @type {Map<Value, Value>} */
    this.replaced = new Map();
    /** Values that the rule has made for the node at hand. @type {Set<Value>} */
    this.fresh = new Set();
  }

  /**
   * Offers each node to a rule, whose nodes and values take the node's place.
   *
   * @param {(node: Node, rewriter: Rewriter) => Value | Value[] | null} rule gives the values that replace the node's
   *   outputs; null if the node stays
   */
  pass(rule) {
    const { builder } = this;
    this.makers = new Map();
    this.replaced = new Map();
    this.countUses();
    const nodes = builder.nodes;
    builder.nodes = [];
    for (const node of nodes) {
      node.inputs = node.inputs.map((value) => value && this.resolve(value));
      this.fresh.clear();
      const made = rule(node, this);
      if (made === null) {
        builder.nodes.push(node);
        for (const value of node.outputs) this.makers.set(value, node);
        continue;
      }
      (Array.isArray(made) ? made : [made]).forEach((value, i) => {
        if (this.fresh.has(value)) {
          value.name = node.outputs[i].name;
          this.uses.set(value, this.uses.get(node.outputs[i]) ?? 0);
        }
        this.replaced.set(node.outputs[i], value);
      });
    }
    for (const named of [...builder.outputs, ...builder.keep]) named.value = this.resolve(named.value);
    this.removeDead();
  }

  /**
   * Adds a node before the one at hand.
   *
   * @param {string} op
   * @param {string} name
   * @param {(Value | null)[]} inputs
   * @param {{ [name: string]: any }} [attributes]
   * @returns {Value} its first output
   */
  add(op, name, inputs, attributes = {}) {
    const outputs = this.builder.add(op, name, inputs, attributes);
    const node = /** @type {Node} */ (this.builder.nodes.at(-1));
    for (const value of outputs) {
      this.makers.set(value, node);
      this.fresh.add(value);
    }
    return outputs[0];
  }

  /**
   * @param {Value} x
   * @param {readonly number[]} shape
   * @param {string} name
   * @returns {Value}
   */
  reshape(x, shape, name) {
    if (sameShape(x.shape, shape)) return x;
    if (x.constant) {
      const { stateName, stateShape } = x;
      return this.builder.constant(x.constant, shape, x.name, stateName === undefined ? {} : { stateName, stateShape });
    }
    return this.add('reshape', `${name}/reshape`, [x], { shape: [...shape] });
  }

  /**
   * The node that makes a value, if it has the op.
   *
   * @param {Value | null | undefined} value
   * @param {string} [op]
   * @returns {Node | null}
   */
  maker(value, op) {
    const node = value && this.makers.get(value);
    return node && (op === undefined || node.op === op) ? node : null;
  }

  /**
   * The value before all reshapes.
   *
   * @param {Value} value
   * @returns {Value}
   */
  beforeReshape(value) {
    let before = value;
    for (let node = this.maker(before, 'reshape'); node; node = this.maker(before, 'reshape')) before =
      /** @type {Value} */ (node.inputs[0]);
    return before;
  }

  /**
   * @param {Value} value
   * @returns {Value}
   */
  resolve(value) {
    let current = value;
    for (let next = this.replaced.get(current); next; next = this.replaced.get(current)) current = next;
    return current;
  }

  countUses() {
    this.uses = new Map();
    const use = (/** @type {Value | null} */ value) => value && this.uses.set(value, (this.uses.get(value) ?? 0) + 1);
    for (const node of this.builder.nodes) node.inputs.forEach(use);
    for (const { value } of [...this.builder.outputs, ...this.builder.keep]) use(value);
  }

  /**
   * Whether a value that was there when the pass began has one use.
   *
   * @param {Value} value
   */
  isUsedOnce(value) {
    return this.uses.get(value) === 1;
  }

  removeDead() {
    const { builder } = this;
    const needed = new Set([...builder.outputs, ...builder.keep].map(({ value }) => value));
    builder.nodes = builder.nodes.reverse().filter((node) => {
      if (!node.outputs.some((value) => needed.has(value))) return false;
      for (const value of node.inputs) if (value) needed.add(value);
      return true;
    }).reverse();
  }
}

/**
 * @param {readonly number[]} a
 * @param {readonly number[]} b
 */
export const sameShape = (a, b) => a.length === b.length && a.every((length, i) => length === b[i]);
