/** The benchmark page's entry. */
import { byId, showError } from '../shared/dom.js';
import { sentence } from '../shared/errors.js';
import { offerThreads } from '../shared/isolation.js';
import { wireTheme } from '../shared/theme-button.js';
import { BenchPage } from './page.js';
import { readWorkloads } from './workload.js';

wireTheme(byId('theme', HTMLButtonElement));
offerThreads(byId('isolation-offer', HTMLElement));
try {
  const response = await fetch(new URL('./workloads.json', import.meta.url));
  if (!response.ok) throw new Error(`workloads.json could not be fetched: the server returned ${response.status}`);
  new BenchPage(readWorkloads(await response.json()));
} catch (error) {
  byId('bench', HTMLElement).dataset.state = 'failed';
  showError(byId('error', HTMLElement), `The benchmark could not start. ${sentence(error)}`);
}
