// Turns the results of browsers and engines into the words of the table.
import { availableParallelism } from 'node:os';

/** The number of threads that load() starts by default. */
const severalThreads = Math.min(availableParallelism(), 4);

/** A build that failed, or printed a warning or an error. `text` is its word in the table. */
export class BuildProblem extends Error {
  constructor(text, message) {
    super(message);
    this.text = text;
  }
}

/** Throws a BuildProblem if a tool's output mentions warnings or errors. */
export function assertQuiet(output) {
  if (/\b(warn|warnings?|errors?|critical dependency)\b/i.test(output)) {
    throw new BuildProblem('warns', `the tool printed:\n${output.slice(0, 4000)}`);
  }
}

/** The reason why a result is wrong, or undefined if it is right. */
export function wrongness(result, expected) {
  if (result?.error) return `${result.error.code ?? result.error.name ?? 'error'}: ${result.error.message}`;
  if (!result?.sums) return 'there is no result';
  for (const name of new Set([...Object.keys(expected.sums), ...Object.keys(result.sums)])) {
    const value = result.sums[name];
    const right = expected.sums[name] ?? expected.sums['picture 0']; // a page reads several canvases
    const near = Math.abs(value - right) <= 1e-4 * (1 + Math.abs(right));
    if (!near) return `${name} is ${value}, expected ${right}`;
  }
  return undefined;
}

const wordOf = (result) => (result.threads > 1 ? 'threads' : '1 thread');

/**
 * A cell: its words for the table, and the reasons if it is wrong.
 *
 * @typedef {{ text: string, why: string[], failed?: boolean }} Cell
 */

/**
 * The page's cell of one column, of all browsers.
 *
 * @returns {Cell}
 */
export function judgePage(visits, expected, chatter = []) {
  const why = [];
  const words = visits.map((visit) => {
    const wrong = visit.problem ?? wrongness(visit.page, expected);
    if (wrong) {
      why.push(`${visit.browser}: ${wrong}`, ...visit.messages.map((message) => `${visit.browser}: ${message}`));
      return 'no';
    }
    const messages = visit.messages.filter((message) => !chatter.some((pattern) => pattern.test(message)));
    if (messages.length > 0) {
      why.push(...messages.map((message) => `${visit.browser}, on the console: ${message}`));
      return `${wordOf(visit.page)}, warns`;
    }
    const { threads, reason } = visit.page;
    if (threads === 1 && reason) why.push(`${visit.browser}: one thread: ${reason}`);
    if (threads > 1 && threads !== severalThreads) {
      why.push(`${visit.browser}: ${threads} threads, expected ${severalThreads}`);
      return `${threads} threads`;
    }
    return wordOf(visit.page);
  });
  return { text: together(visits, words), why };
}

/** The cell of the workers of all columns. They work if they work in every column. @returns {Cell} */
export function judgeWorkers(visits, expected) {
  const why = [];
  const words = visits.map((visit) => {
    const wrong = visit.problem ?? wrongness(visit.worker, expected);
    if (wrong) why.push(`${visit.browser}, in the worker: ${wrong}`);
    return wrong ? 'no' : 'yes';
  });
  return { text: together(visits, words), why };
}

/** One word if all browsers agree, else one for each. */
function together(visits, words) {
  const ofBrowser = new Map();
  visits.forEach(({ browser }, i) => {
    ofBrowser.set(browser, ofBrowser.get(browser) === 'no' ? 'no' : words[i]);
  });
  const different = new Set(ofBrowser.values());
  if (different.size === 1) return [...different][0];
  return [...ofBrowser].map(([browser, word]) => `${browser}: ${word}`).join('; ');
}

/** The cell of an engine without a page. @returns {Cell} */
export function judgeEngine(result, expected) {
  const wrong = wrongness(result, expected);
  if (wrong) return { text: 'no', why: [wrong] };
  return { text: wordOf(result), why: result.reason ? [result.reason] : [] };
}

/** The result that an app printed. */
export function printedResult(output) {
  const line = /RESULT (\{.*\})/.exec(output);
  if (!line) throw new BuildProblem('no', `the app printed no result:\n${output.slice(0, 4000)}`);
  return JSON.parse(line[1]);
}
