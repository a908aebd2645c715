/** The entry of the page Networks: loads the library, then starts the page. */
import { load } from '../dynakernel/blocks.js';
import { byId, showError } from '../shared/dom.js';
import { sentence } from '../shared/errors.js';
import { offerThreads } from '../shared/isolation.js';
import { wireTheme } from '../shared/theme-button.js';
import { NetworksPage } from './page.js';

wireTheme(byId('theme', HTMLButtonElement));
offerThreads(byId('isolation-offer', HTMLElement));
const main = byId('networks', HTMLElement);
try {
  // The page itself only reads and draws pictures; networks run in workers, with as many threads as there are.
  const page = new NetworksPage(await load({ threads: 1 }));
  await page.start();
} catch (error) {
  main.dataset.state = 'failed';
  showError(byId('fatal-error', HTMLElement), `The page could not start. ${sentence(error)}`);
} finally {
  main.removeAttribute('aria-busy');
}
