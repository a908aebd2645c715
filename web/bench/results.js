/** @import { Comparison, Row } from './session.js' */
import { copyText } from '../shared/clipboard.js';
import { byId, element, setText, showError } from '../shared/dom.js';
import { buildText } from '../shared/format.js';
import { drawChart } from './chart.js';
import { ONE_THREAD } from './engine.js';
import { comparisonMarkdown, comparisonNotes, comparisonTable, meanRatio, speed } from './report.js';
import { wrongEngines } from './session.js';

/** Returns an engine's name for people. @param {string} id */
const nameOf = (id) => (id === 'tfjs-wasm' ? 'TensorFlow.js' : id);

/** The results: the chart, the table and the buttons that copy them. They grow with each row. */
export class Results {
  #section = byId('results', HTMLElement);
  #skip = byId('skip', HTMLElement);
  #chart = byId('chart', HTMLElement);
  #caption = byId('chart-caption', HTMLElement);
  #view = byId('view', HTMLElement);
  /** @type {Comparison | null} */
  #comparison = null;

  constructor() {
    this.#view.addEventListener('change', () => this.#drawChart());
    new ResizeObserver(() => this.#drawChart()).observe(this.#chart);
    this.#wireCopy('copy-markdown', comparisonMarkdown);
    this.#wireCopy('copy-json', (comparison) => JSON.stringify(comparison, null, 1));
  }

  /**
   * Makes a button copy the comparison.
   *
   * @param {string} id
   * @param {(comparison: Comparison) => string} write  returns the text to copy
   */
  #wireCopy(id, write) {
    const button = byId(id, HTMLButtonElement);
    button.addEventListener('click', async () => {
      if (!this.#comparison) return;
      const shown = byId('copy-text', HTMLElement);
      shown.hidden = true;
      showError(byId('copy-error', HTMLElement), await copyText(button, write(this.#comparison), shown));
    });
  }

  /** Starts with no rows. @param {Omit<Comparison, 'rows'>} begin */
  begin(begin) {
    this.#comparison = { ...begin, rows: [] };
    this.#show(false);
    setText(byId('build', HTMLElement), buildText(begin.engines[0]));
    byId('legend', HTMLElement).replaceChildren(...(begin.engines.length > 1
      ? begin.engines.map(({ id }, i) => element('span', { class: `engine-${i}` }, nameOf(id)))
      : []));
  }

  /** Shows or hides the section and the link to it. @param {boolean} shown */
  #show(shown) {
    this.#section.hidden = this.#skip.hidden = !shown;
  }

  /** Adds a workload's results. @param {Row} row */
  add(row) {
    if (!this.#comparison) return;
    this.#comparison.rows.push(row);
    this.#show(true);
    this.#showTotals(this.#comparison);
    this.#showTable(this.#comparison);
    this.#drawChart();
  }

  /** @param {Comparison} comparison */
  #showTotals({ engines: [first, ...others], peak, rows }) {
    /** @type {[string, string][]} */
    const totals = others.flatMap(({ id }) => {
      const mean = meanRatio(rows, first.id, id);
      if (mean === null) return [];
      return [[`Faster than ${id === ONE_THREAD ? 'on one thread' : nameOf(id)}`, `${mean.toFixed(1)}×`]];
    });
    const fastest = Math.max(...rows.map((row) => speed(row, first.id) ?? 0));
    totals.push(
      ['Most GFLOP/s', fastest.toFixed(0)],
      ['Multiply-add peak', `${(peak * first.threads).toFixed(0)} GFLOP/s`]);
    byId('totals', HTMLElement).replaceChildren(...totals.map(([term, value]) =>
      element('div', {}, element('dt', {}, term), element('dd', {}, value))));
  }

  /** @param {Comparison} comparison */
  #showTable(comparison) {
    const { columns, rows } = comparisonTable(comparison);
    const head = element('tr', {}, ...columns.map((name) => element('th', { scope: 'col' }, name)));
    const body = rows.map(([name, ...cells]) =>
      element('tr', {}, element('th', { scope: 'row' }, name), ...cells.map((cell) => element('td', {}, cell))));
    byId('table', HTMLTableElement).replaceChildren(
      element('caption', { class: 'visually-hidden' }, 'Milliseconds of each workload'),
      element('thead', {}, head), element('tbody', {}, ...body));
    const wrong = comparison.rows.flatMap((row) =>
      wrongEngines(row).map((id) => `${nameOf(id)} gives other numbers for ${row.name}.`));
    byId('notes', HTMLElement).replaceChildren(
      ...[...wrong, ...comparisonNotes(comparison)].map((note) => element('li', {}, note)));
  }

  #drawChart() {
    if (!this.#comparison || this.#section.hidden) return;
    const view = this.#view.querySelector('input:checked')?.getAttribute('value') === 'time' ? 'time' : 'speed';
    const names = Object.fromEntries(this.#comparison.engines.map(({ id }) => [id, nameOf(id)]));
    this.#chart.replaceChildren(drawChart(this.#comparison, { view, names, width: this.#chart.clientWidth }));
    setText(this.#caption, view === 'time'
      ? 'Milliseconds, shorter is better; each workload on a scale of its own.'
      : 'GFLOP/s, longer is better. Algorithms that need fewer operations than direct convolution can pass the line.');
  }
}
