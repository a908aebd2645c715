/** Rewrites a graph, node by node, from patterns that end in the node. */
import { sameShape } from '../../shape.js';

/** @typedef {import('../graph.js').GraphBuilder} GraphBuilder */
/** @typedef {import('../graph.js').Node} Node */
/** @typedef {import('../graph.js').Value} Value */

export class Rewriter {
  /** @param {GraphBuilder} builder */
  constructor(builder) {
    this.builder = builder;
    // lists by the ids of values: files have thousands, and a pass looks at each
    /** The node that makes a value. @type {Node[]} */
    this.makers = [];
    /** How often a value is used. @type {number[]} */
    this.uses = [];
    /** What took a value's place. @type {Value[]} */
    this.replaced = [];
    /** Values that the rule has made for the node at hand. @type {Value[]} */
    this.fresh = [];
  }

  /**
   * Offers each node to a rule, whose nodes and values take the node's place. A rule that asks isUsedOnce() needs
   * countUses() before.
   *
   * @param {(node: Node, rewriter: Rewriter) => Value | Value[] | null} rule gives the values that replace the node's
   *   outputs; null if the node stays
   */
  pass(rule) {
    const { builder } = this;
    this.makers = new Array(builder.values);
    this.replaced = new Array(builder.values);
    let isChanged = false;
    const nodes = builder.nodes;
    builder.nodes = [];
    // by index: an iterator makes an object at each step, which thousands of nodes notice
    for (let n = 0; n < nodes.length; n++) {
      const node = nodes[n];
      const { inputs, outputs } = node;
      for (let i = 0; i < inputs.length; i++) {
        const value = inputs[i];
        if (value && this.replaced[value.id]) inputs[i] = this.resolve(value);
      }
      if (this.fresh.length > 0) this.fresh = [];
      const made = rule(node, this);
      if (made === null) {
        builder.nodes.push(node);
        for (let i = 0; i < outputs.length; i++) this.makers[outputs[i].id] = node;
        continue;
      }
      isChanged = true;
      (Array.isArray(made) ? made : [made]).forEach((value, i) => {
        const before = node.outputs[i];
        if (this.fresh.includes(value)) {
          value.name = before.name;
          this.uses[value.id] = this.uses[before.id];
        }
        this.replaced[before.id] = value;
      });
    }
    if (!isChanged) return;
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
      this.makers[value.id] = node;
      this.fresh.push(value);
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
    const node = value && this.makers[value.id];
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
    for (let next = this.replaced[current.id]; next; next = this.replaced[current.id]) current = next;
    return current;
  }

  /** Counts before a pass how often its rule will find each value used. */
  countUses() {
    const uses = new Array(this.builder.values).fill(0);
    const { nodes } = this.builder;
    for (let n = 0; n < nodes.length; n++) {
      const { inputs } = nodes[n];
      for (let i = 0; i < inputs.length; i++) {
        const value = inputs[i];
        if (value) uses[value.id]++;
      }
    }
    for (const { value } of [...this.builder.outputs, ...this.builder.keep]) uses[value.id]++;
    this.uses = uses;
  }

  /**
   * Whether a value that was there when the pass began has one use.
   *
   * @param {Value} value
   */
  isUsedOnce(value) {
    return this.uses[value.id] === 1;
  }

  removeDead() {
    const { builder } = this;
    const needed = new Uint8Array(builder.values);
    for (const { value } of [...builder.outputs, ...builder.keep]) needed[value.id] = 1;
    // from the end: what a node needs comes before it
    const nodes = builder.nodes;
    const kept = [];
    for (let n = nodes.length - 1; n >= 0; n--) {
      const { inputs, outputs } = nodes[n];
      let output = 0;
      while (output < outputs.length && !needed[outputs[output].id]) output++;
      if (output === outputs.length) continue;
      for (let i = 0; i < inputs.length; i++) {
        const value = inputs[i];
        if (value) needed[value.id] = 1;
      }
      kept.push(nodes[n]);
    }
    builder.nodes = kept.reverse();
  }
}
