/** Reading an optimizer's state dict: everything is checked before anything of the optimizer changes. */
import { readList } from './check.js';
import { DynakernelError, given, listText, nameText } from './errors.js';
import { isSmallFloat } from './float-formats.js';
import { className, toFloats } from './numbers.js';
import { MOST_NUMBERS, readLayout } from './optimizer-dict.js';
import { shapeText } from './shape.js';
import { readSource } from './state.js';
import { checkValue, fits, readValue, withMemory } from './state-value.js';

/** @typedef {import('./optimizer-rules.js').Rule} Rule */
/** @typedef {import('./optimizer-rules.js').Settings} Settings */
/** @typedef {import('./optimizer-dict.js').OptimizerSource} OptimizerSource */

/** @typedef {{ name: string, shape: readonly number[] }} Parameter */

/**
 * What an optimizer is to remember of one parameter.
 *
 * @typedef {{ steps: number, arrays: Float32Array[] }} Memory
 */

/** Steps that C counts. */
const MOST_STEPS = 2 ** 31 - 2;

/**
 * @param {Rule} rule
 * @param {Settings} settings of the optimizer, for those that the source lacks
 * @param {readonly Parameter[]} parameters
 * @param {OptimizerSource} source
 * @returns {{ settings: Settings, memories: (Memory | null)[] }} null: nothing is remembered
 * @throws {DynakernelError} ERR_STATE, ERR_SAFETENSORS, ERR_MEMORY
 */
export function readOptimizerState(rule, settings, parameters, source) {
  return withMemory("the numbers of the optimizer's state", () => {
    const { state, groups } = readLayout(readSource(source).values);
    const options = Object.values(groups).map((group, index) => readGroup(group, index));
    const numbers = options.flatMap(({ params }) => params);
    if (numbers.length !== parameters.length || new Set(numbers).size !== numbers.length) {
      throw refusal(`it is of ${numbers.length} parameters, this optimizer has ${parameters.length}: ` +
        listText(parameters.map(({ name }) => name)));
    }
    const known = new Set(numbers.map(String));
    const strange = Object.keys(state).filter((index) => !known.has(index));
    if (strange.length > 0) throw refusal(`no group of it has the parameter ${listText(strange, 4)}`);

    const read = readSettings(rule, settings, options);
    const names = rule.arrays(read);
    const memories = numbers.map((number, i) =>
      readMemory(rule, names, `state.${number}`, state[number], parameters[i]));
    return { settings: read, memories };
  });
}

/** @param {string} message */
const refusal = (message) => new DynakernelError('ERR_STATE', `the optimizer's state dict does not fit: ${message}`);

/**
 * A group's options as plain numbers, lists and truth values.
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
 * @param {string} name
 * @param {any} value
 * @returns {unknown} a number, a list of numbers, or the value itself
 */
function optionOf(name, value) {
  const list = readList(value, (item) => item !== undefined, MOST_NUMBERS); // ends at the first hole
  if (list) return list.map((item, i) => optionOf(`${name}.${i}`, item));
  if (typeof value !== 'object' || value === null) return value;
  const read = readValue(name, value, () => true);
  checkValue(name, read);
  // All but the bits of small floats stay as they are: the double of a rate must not become a float32.
  const isSmall = read.dtype !== undefined && isSmallFloat(read.dtype, className(read.data));
  const numbers = Array.from(isSmall ? toFloats(read.data, read.dtype) : read.data, Number);
  return read.shape.length === 0 ? numbers[0] : numbers;
}

/**
 * The settings of all groups, which must be the same, checked as the optimizer's own options are.
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
        throw refusal(`${option} is ${given(value)}; ${rule.name} here only does ${expected}`);
      }
    }
  }
  const read = groups.map((group) => {
    try {
      return rule.read({ ...settings, ...rule.fromGroup(group) });
    } catch (error) {
      if (error instanceof DynakernelError) throw refusal(error.message);
      throw error;
    }
  });
  const differs = read.find((other) => JSON.stringify(other) !== JSON.stringify(read[0]));
  if (differs) {
    throw refusal(`its ${groups.length} groups have different settings, this optimizer has one group; ` +
      'make an optimizer for each');
  }
  return read[0];
}

/**
 * @param {Rule} rule
 * @param {readonly string[]} names of the arrays that the rule keeps
 * @param {string} path
 * @param {{ [name: string]: any } | undefined} fields
 * @param {Parameter} parameter
 * @returns {Memory | null}
 */
function readMemory(rule, names, path, fields = {}, parameter) {
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
  // A momentum that exists is not that of a first step.
  return { steps: rule.counts ? readSteps(path, fields.step) : 1, arrays };
}

/**
 * @param {string} path
 * @param {unknown} value absent if there was none
 */
function readSteps(path, value) {
  const read = optionOf(`${path}.step`, value ?? 0);
  const steps = Array.isArray(read) && read.length === 1 ? read[0] : read;
  if (typeof steps === 'number' && Number.isInteger(steps) && steps >= 0 && steps <= MOST_STEPS) return steps;
  throw refusal(`${path}.step must be a whole number, 0 to ${MOST_STEPS}; got ${given(steps)}`);
}
