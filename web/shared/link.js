/** The state of a page in its address, so that a link shows what its sender saw. */

/**
 * A part of the state: its name in the address, and its text there.
 *
 * @template Value
 * @typedef {object} Field
 * @property {(text: string) => Value | undefined} read  returns undefined for a text that stands for no value
 * @property {(value: Value) => string} write
 * @property {Value | null} usual  the value of a page that nobody changed. The address leaves it out
 */

/** @typedef {{ [name: string]: any }} LinkState  values by the names of fields; null for one that a link cannot have */
/** @typedef {{ [name: string]: Field<any> }} Fields */

/** Milliseconds after the last change. Browsers refuse hundreds of changes a minute. */
const DELAY = 250;

/** The longest text of a field. The page writes no longer one, except for the weights of very many kernels. */
const LONGEST = 400;

/**
 * One of these words.
 *
 * @param {readonly string[]} words
 * @param {string | null} [usual]
 * @returns {Field<string>}
 */
export const choice = (words, usual = words[0]) =>
  ({ read: (text) => (words.includes(text) ? text : undefined), write: String, usual });

/**
 * A whole number.
 *
 * @param {number} least
 * @param {number} greatest
 * @param {number | null} usual
 * @returns {Field<number>}
 */
export const whole = (least, greatest, usual) => ({
  read: (text) => (/^\d{1,10}$/.test(text) && Number(text) >= least && Number(text) <= greatest ? Number(text) : undefined),
  write: String,
  usual,
});

/**
 * A list of numbers, to four digits after the point.
 *
 * @param {number} least
 * @param {number} greatest
 * @param {number} most  the most numbers
 * @returns {Field<number[]>}
 */
export const numbers = (least, greatest, most) => ({
  read(text) {
    const list = text.split('~').map((part) => (/^-?\d{1,9}(\.\d{1,9})?$/.test(part) ? Number(part) : NaN));
    const isValid = list.length <= most && list.every((number) => number >= least && number <= greatest);
    return isValid ? list : undefined;
  },
  write: (list) => list.map((number) => String(Number(number.toFixed(4)))).join('~'),
  usual: null,
});

/**
 * Some of these words, in their order.
 *
 * @param {readonly string[]} words
 * @param {readonly string[]} usual
 * @returns {Field<string[]>}
 */
export const some = (words, usual) => ({
  read(text) {
    const list = text.split('~');
    return list.every((word) => words.includes(word)) ? words.filter((word) => list.includes(word)) : undefined;
  },
  write: (list) => list.join('~'),
  usual: [...usual],
});

/** Reads and writes a page's state in its address. */
export class Link {
  #fields;
  #read;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** The query that the page has read or written last. */
  #query = location.search;

  /**
   * @param {Fields} fields
   * @param {() => LinkState} read  returns the page's state now
   * @param {(state: LinkState, ignored: string) => void} onTravel  the address changed: a person went back or forward
   */
  constructor(fields, read, onTravel) {
    this.#fields = fields;
    this.#read = read;
    addEventListener('popstate', () => {
      if (location.search === this.#query) return; // a link within the page
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#query = location.search;
      const { state, ignored } = this.state;
      onTravel(state, ignored);
    });
    addEventListener('pagehide', () => this.flush());
  }

  /**
   * The state that the address has. A value that is missing or cannot be read is the usual one.
   *
   * @returns {{ state: LinkState, ignored: string }}  ignored: a sentence about the values that mean nothing; '' for none
   */
  get state() {
    return readState(this.#fields, this.#query);
  }

  /** Writes the page's state into the address soon. */
  changed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), DELAY);
  }

  /** Writes what changed() has not written yet. */
  flush() {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const query = writeState(this.#fields, this.#read(), false);
    if (query === location.search) return;
    this.#query = query;
    history.replaceState(history.state, '', location.pathname + query + location.hash);
  }

  /** The address to copy. It names all values, because the usual ones may change with the site. */
  get whole() {
    return location.origin + location.pathname + writeState(this.#fields, this.#read(), true);
  }
}

/**
 * Reads a state from the query of an address.
 *
 * @param {Fields} fields
 * @param {string} query
 * @returns {{ state: LinkState, ignored: string }}
 */
export function readState(fields, query) {
  const texts = new URLSearchParams(query);
  /** @type {LinkState} */
  const state = {};
  const wrong = [];
  // Names that are no field's are left alone: other sites add their own to links.
  for (const [name, { read, usual }] of Object.entries(fields)) {
    const text = texts.get(name);
    const value = text === null || text.length > LONGEST ? undefined : read(text);
    state[name] = value ?? usual;
    if (text !== null && value === undefined) wrong.push(`${name}=${shorten(text)}`);
  }
  return { state, ignored: wrong.length > 0 ? ignoredSentence(wrong) : '' };
}

/**
 * Writes a state as the query of an address.
 *
 * @param {Fields} fields
 * @param {LinkState} state
 * @param {boolean} isWhole  whether it has the usual values too
 */
export function writeState(fields, state, isWhole) {
  const parts = Object.entries(fields).flatMap(([name, { read, write, usual }]) => {
    const value = state[name] ?? null;
    if (value === null) return [];
    const text = write(value);
    if (read(text) === undefined) return []; // a field that a person has left empty, for one
    if (!isWhole && usual !== null && text === write(usual)) return [];
    return [`${name}=${encodeURIComponent(text)}`];
  });
  return parts.length > 0 ? `?${parts.join('&')}` : '';
}

/**
 * Says that parts of a link mean nothing.
 *
 * @param {string[]} parts  such as 'picture=moon'
 */
export const ignoredSentence = (parts) =>
  `This page does not know what the link says about ${parts.join(', ')}, and shows what it usually shows instead.`;

/** @param {string} text */
const shorten = (text) => (text.length > 40 ? `${text.slice(0, 40)}…` : text);
