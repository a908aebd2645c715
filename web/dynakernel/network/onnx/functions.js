/** Functions of a model: each call becomes the nodes of the function. */
import { DynakernelError, given, nameText } from '../../errors.js';
import { withFields } from './protobuf.js';

/** @typedef {import('./protobuf.js').Message} Message */

/** The most nodes that calls may become: functions that call functions could grow without end. */
const MOST_NODES = 200_000;

/** The most calls in each other, and the longest name of a call in the names of its tensors. */
const DEEPEST = 32;
const LONGEST_NAME = 200;

/** @param {string} message */
const refusal = (message) => new DynakernelError('ERR_ONNX', message);

/** @param {string | undefined} domain */
const plainDomain = (domain) => (domain === 'ai.onnx' ? '' : domain ?? '');

/**
 * What a call and its function have in common.
 *
 * @param {string | undefined} domain
 * @param {string | undefined} name
 * @param {string | undefined} overload
 */
const keyOf = (domain, name, overload) => JSON.stringify([plainDomain(domain), name ?? '', overload ?? '']);

/**
 * A graph without calls. The nodes of a function that is written for another version of the standard operators than the
 * model have it as `opset`.
 *
 * @param {Message} graph
 * @param {readonly Message[]} functions
 * @param {number} opset of the model
 * @param {(opsets: readonly Message[]) => number} readOpset
 * @returns {Message}
 */
export function inlineFunctions(graph, functions, opset, readOpset) {
  if (functions.length === 0) return graph;
  return new Inliner(functions, opset, readOpset).graph(graph);
}

class Inliner {
  /**
   * @param {readonly Message[]} functions
   * @param {number} opset
   * @param {(opsets: readonly Message[]) => number} readOpset
   */
  constructor(functions, opset, readOpset) {
    /** @type {Map<string, Message>} */
    this.functions = new Map();
    for (const one of functions) {
      const key = keyOf(one.domain, one.name, one.overload);
      if (this.functions.has(key)) throw refusal(`the model defines the function ${nameText(one.name ?? '')} twice`);
      this.functions.set(key, one);
    }
    this.opset = opset;
    this.readOpset = readOpset;
    this.count = 0;
    /** Prefixes of calls, and how many calls wanted each. @type {Map<string, number>} */
    this.prefixes = new Map();
    /** Functions that are being inlined. @type {Message[]} */
    this.stack = [];
  }

  /**
   * @param {Message} graph
   * @returns {Message}
   */
  graph(graph) {
    return withFields(graph, { nodes: this.nodes(graph.nodes) });
  }

  /**
   * @param {readonly Message[]} nodes
   * @returns {Message[]}
   */
  nodes(nodes) {
    return nodes.flatMap((node) => {
      const called = this.functions.get(keyOf(node.domain, node.op, node.overload));
      if (called) return this.call(node, called);
      if (++this.count > MOST_NODES) throw refusal(`the model's functions become more than ${MOST_NODES} nodes`);
      const hasGraph = node.attributes.some((/** @type {Message} */ attribute) => attribute.graph);
      if (!hasGraph) return [node];
      const attributes = node.attributes.map((/** @type {Message} */ attribute) =>
        (attribute.graph ? withFields(attribute, { graph: this.graph(attribute.graph) }) : attribute));
      return [withFields(node, { attributes })];
    });
  }

  /**
   * The nodes of a function, with the names and attributes of a call.
   *
   * @param {Message} node
   * @param {Message} called
   * @returns {Message[]}
   */
  call(node, called) {
    const label = node.name || node.outputs[0] || node.op;
    if (this.stack.includes(called)) throw refusal(`the function ${nameText(called.name ?? '')} calls itself`);
    if (this.stack.length >= DEEPEST) throw refusal(`the model's functions call each other more than ${DEEPEST} deep`);
    if (node.inputs.length > called.inputs.length || node.outputs.length > called.outputs.length) {
      throw refusal(`${nameText(node.op ?? '')} ${given(label)} has ${node.inputs.length} inputs and ` +
        `${node.outputs.length} outputs; the function takes ${called.inputs.length} and makes ${called.outputs.length}`);
    }
    const prefix = this.prefix(label);
    const names = new Names(prefix, called, node);
    const opset = this.readOpset(called.opsets);
    const body = called.nodes.map((/** @type {Message} */ inner) => {
      const copy = withAttributes(names.node(inner), node.attributes, called);
      copy.name = prefix + (inner.name || inner.op);
      return opset === this.opset ? copy : withFields(copy, { opset });
    });
    this.stack.push(called);
    const nodes = this.nodes(body);
    this.stack.pop();
    return [...nodes, ...names.passed()];
  }

  /** What the names inside a call begin with: no two calls have the same. @param {string} label */
  prefix(label) {
    const name = label.slice(0, LONGEST_NAME);
    const count = this.prefixes.get(name) ?? 0;
    this.prefixes.set(name, count + 1);
    return count === 0 ? `${name}/` : `${name}_${count}/`;
  }
}

/** The names that a function's tensors have in a call. */
class Names {
  /**
   * @param {string} prefix of inner tensors
   * @param {Message} called
   * @param {Message} node
   */
  constructor(prefix, called, node) {
    this.prefix = prefix;
    /** @type {Map<string, string>} */
    this.outer = new Map();
    called.inputs.forEach((/** @type {string} */ name, /** @type {number} */ i) =>
      this.outer.set(name, node.inputs[i] ?? ''));
    /** Inputs that are outputs as well: [input, output]. @type {[string, string][]} */
    this.same = [];
    called.outputs.forEach((/** @type {string} */ name, /** @type {number} */ i) => {
      const output = node.outputs[i] ?? '';
      if (output === '') return;
      const before = this.outer.get(name);
      if (before === undefined) this.outer.set(name, output);
      else this.same.push([before, output]);
    });
  }

  /** @param {string} name */
  of(name) {
    return name === '' ? '' : this.outer.get(name) ?? this.prefix + name;
  }

  /**
   * @param {Message} node
   * @returns {Message}
   */
  node(node) {
    return withFields(node, {
      inputs: node.inputs.map((/** @type {string} */ name) => this.of(name)),
      outputs: node.outputs.map((/** @type {string} */ name) => this.of(name)),
      attributes: node.attributes.map((/** @type {Message} */ attribute) =>
        (attribute.graph ? withFields(attribute, { graph: this.graph(attribute.graph) }) : attribute)),
    });
  }

  /**
   * @param {Message} graph
   * @returns {Message}
   */
  graph(graph) {
    const named = (/** @type {Message} */ one) => withFields(one, { name: this.of(one.name ?? '') });
    return withFields(graph, {
      nodes: graph.nodes.map((/** @type {Message} */ node) => this.node(node)),
      initializers: graph.initializers.map(named), inputs: graph.inputs.map(named), outputs: graph.outputs.map(named),
    });
  }

  /** Nodes for inputs that the function returns as they are. @returns {Message[]} */
  passed() {
    return this.same.map(([input, output]) =>
      ({ op: 'Identity', name: output, inputs: [input], outputs: [output], attributes: [] }));
  }
}

/**
 * A node of a function whose attributes are those of the call, or the function's own. One that neither gives is left
 * out.
 *
 * @param {Message} node
 * @param {readonly Message[]} call
 * @param {Message} called
 * @returns {Message}
 */
function withAttributes(node, call, called) {
  const find = (/** @type {readonly Message[]} */ list, /** @type {string} */ name) =>
    list.find((attribute) => (attribute.name ?? '') === name);
  const attributes = node.attributes.flatMap((/** @type {Message} */ attribute) => {
    if (attribute.graph) {
      const nodes = attribute.graph.nodes.map((/** @type {Message} */ inner) => withAttributes(inner, call, called));
      return [withFields(attribute, { graph: withFields(attribute.graph, { nodes }) })];
    }
    if (!attribute.reference) return [attribute];
    const value = find(call, attribute.reference) ?? find(called.defaults, attribute.reference);
    return value ? [withFields(value, { name: attribute.name })] : [];
  });
  return withFields(node, { attributes });
}
