/** The start page's entry: runs the playground's first block over the photographs. */
import { load } from '../dynakernel/blocks.js';
import { byId, showError } from '../shared/dom.js';
import { sentence } from '../shared/errors.js';
import { offerThreads } from '../shared/isolation.js';
import { wireTheme } from '../shared/theme-button.js';
import { Strip } from './strip.js';

wireTheme(byId('theme', HTMLButtonElement));
offerThreads(byId('isolation-offer', HTMLElement));
const main = byId('start', HTMLElement);
try {
  const strip = new Strip(await load());
  await strip.show();
  main.dataset.state = 'ready';
} catch (error) {
  main.dataset.state = 'failed';
  showError(byId('fatal-error', HTMLElement), `The example could not be computed. ${sentence(error)}`);
}
