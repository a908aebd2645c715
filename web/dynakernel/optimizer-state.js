/** Reads an optimizer's state dict and checks all of it. The optimizer changes only afterwards. */
import { readList } from './check.js';
import { DynakernelError, given, listText, nameText } from './errors.js';
import { isSmallFloat } from './float-formats.js';
import { className, toFloats } from './numbers.js';
import { MAX_NUMBERS, readLayout } from './optimizer-dict.js';
import { shapeText } from './shape.js';
import { readSource } from './state.js';
import { checkValue, fits, readValue, withMemory } from './state-value.js';

/** @typedef {import('./optimizer-rules.js').Rule} Rule */
/** @typedef {import('./optimizer-rules.js').Settings} Settings */
/** @typedef {import('./optimizer-dict.js').OptimizerSource} OptimizerSource */

/** @typedef {{ name: string, shape: readonly number[] }} Parameter */

/**
 * The state of one parameter, as a state dict holds it.
 *
 * @typedef {{ steps: number, arrays: Float32Array[] }} ParameterState
 */

/** C counts steps up to this number. */
const MAX_STEPS = 2 ** 31 - 2;

/**
 * Reads the settings and the state of all parameters from a source.
 *
 * @param {Rule} rule
 * @param {Settings} settings the optimizer's. They replace settings that the source lacks
 * @param {readonly Parameter[]} parameters
 * @param {OptimizerSource} source
 * @returns {{ settings: Settings, states: (ParameterState | null)[] }} null for a parameter without state
 * @throws {DynakernelError} ERR_STATE, ERR_SAFETENSORS, ERR_MEMORY
 */
export function readOptimizerState(rule, settings, parameters, source) {
  return withMemory("the numbers of the optimizer's state", () => {
    const { state, groups } = readLayout(readSource(source).values);
    const options = Object.values(groups).map((group, index) => readGroup(group, index));
    // the groups must name as many parameters as the optimizer has
    const numbers = options.flatMap(({ params }) => params);
    if (numbers.length !== parameters.length || new Set(numbers).size !== numbers.length) {
      throw refusal(`it has ${numbers.length} parameters, this optimizer has ${parameters.length}: ` +
        listText(parameters.map(({ name }) => name)));
    }
    // each state must belong to a parameter of a group
    const known = new Set(numbers.map(String));
    const strange = Object.keys(state).filter((index) => !known.has(index));
    if (strange.length > 0) throw refusal(`none of its groups has the parameter ${listText(strange, 4)}`);

    const newSettings = readSettings(rule, settings, options);
    const names = rule.arrays(newSettings);
    const states = numbers.map((number, i) =>
      readParameterState(rule, names, `state.${number}`, state[number], parameters[i]));
    return { settings: newSettings, states };
  });
}

/**
 * An error for a state dict that does not fit.
 *
 * @param {string} message
 */
const refusal = (message) => new DynakernelError('ERR_STATE', `the optimizer's state dict does not fit: ${message}`);

/**
 * A group's options as plain numbers, lists and booleans.
 *
 * @param {{ [name: string]: unknown }} group
 * @param {number} index
 * @returns {{ params: number[], [option: string]: unknown }}
 */
function readGroup(group, index) {
  /** @type {{ [option: string]: unknown }} */
  const options = {};
  for (const [option, value] of Object.entries(group)) {
    options[option] = optionOf(`param_groups.${index}.${option}`, value);
  }
  const params = typeof options.params === 'number' ? [options.params] : options.params;
  if (Array.isArray(params) && params.every((number) => Number.isSafeInteger(number) && number >= 0)) {
    return { ...options, params };
  }
  throw refusal(`params of group ${index} must be the numbers of its parameters; got ${given(params)}`);
}

/**
 * An option as a plain value.
 *
 * @param {string} name
 * @param {any} value
 * @returns {unknown} a number, a list of numbers, or the value itself
 */
function optionOf(name, value) {
  const list = readList(value, (item) => item !== undefined, MAX_NUMBERS); // ends at the first hole
  if (list) return list.map((item, i) => optionOf(`${name}.${i}`, item));
  if (typeof value !== 'object' || value === null) return value;
  const read = readValue(name, value, () => true);
  checkValue(name, read);
  // convert small floats only: a rate's double must not become a float32
  const isSmall = read.dtype !== undefined && isSmallFloat(read.dtype, className(read.data));
  const numbers = Array.from(isSmall ? toFloats(read.data, read.dtype) : read.data, Number);
  return read.shape.length === 0 ? numbers[0] : numbers;
}

/**
 * The settings of the groups, which must all be the same. The checks are those of the optimizer's options.
 *
 * @param {Rule} rule
 * @param {Settings} settings
 * @param {readonly { [option: string]: unknown }[]} groups
 * @returns {Settings}
 */
function readSettings(rule, settings, groups) {
  for (const group of groups) {
    const stranger = rule.strangers.find((option) => Object.hasOwn(group, option));
    if (stranger) throw refusal(`it is of another optimizer: ${rule.name} has no ${stranger}`);
    for (const [option, expected] of Object.entries(rule.fixed)) {
      const value = group[option] ?? expected;
      if (Number(value) !== Number(expected)) {
        throw refusal(`${option} is ${given(value)}; ${rule.name} here supports only ${expected}`);
      }
    }
  }
  const candidates = groups.map((group) => {
    try {
      return rule.read({ ...settings, ...rule.fromGroup(group) });
    } catch (error) {
      if (error instanceof DynakernelError) throw refusal(error.message);
      throw error;
    }
  });
  const [first, ...others] = candidates;
  if (others.some((other) => JSON.stringify(other) !== JSON.stringify(first))) {
    throw refusal(`its ${groups.length} groups have different settings, this optimizer has one group; ` +
      'make an optimizer for each');
  }
  return first;
}

/**
 * The state of one parameter, or null if the source has none.
 *
 * @param {Rule} rule
 * @param {readonly string[]} names the arrays of the rule's state
 * @param {string} path the state, for messages
 * @param {{ [name: string]: any } | undefined} fields
 * @param {Parameter} parameter
 * @returns {ParameterState | null}
 */
function readParameterState(rule, names, path, fields = {}, parameter) {
  // all arrays must be present, or none
  const present = names.filter((name) => fields[name] !== null && fields[name] !== undefined);
  if (present.length === 0 && (!rule.counts || readSteps(path, fields.step) === 0)) return null;
  if (present.length < names.length) {
    throw refusal(`${path} of ${nameText(parameter.name)} needs ${names.join(' and ')}; it has ` +
      (listText(Object.keys(fields)) || 'nothing'));
  }
  const arrays = names.map((name) => {
    const full = `${path}.${name}`;
    const value = readValue(full, fields[name], (shape) => fits(parameter.shape, shape));
    if (!fits(parameter.shape, value.shape)) {
      throw refusal(`${full} is ${shapeText(value.shape)}, expected ${shapeText(parameter.shape)}, the shape ` +
        `of ${nameText(parameter.name)}`);
    }
    checkValue(full, value);
    const floats = toFloats(value.data, value.dtype);
    return floats === value.data ? floats.slice() : floats;
  });
  // SGD's state has no number of steps, but if a momentum exists, the first step is done
  return { steps: rule.counts ? readSteps(path, fields.step) : 1, arrays };
}

/**
 * The number of steps, 0 if it is absent.
 *
 * @param {string} path the state, for messages
 * @param {unknown} value
 */
function readSteps(path, value) {
  const read = optionOf(`${path}.step`, value ?? 0);
  const steps = Array.isArray(read) && read.length === 1 ? read[0] : read;
  if (typeof steps === 'number' && Number.isInteger(steps) && steps >= 0 && steps <= MAX_STEPS) return steps;
  throw refusal(`${path}.step must be a whole number, 0 to ${MAX_STEPS}; got ${given(steps)}`);
}
