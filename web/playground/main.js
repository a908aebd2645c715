/** The playground's entry: loads the library, then starts the page. */
import { load } from '../dynakernel/blocks.js';
import { byId, showError } from '../shared/dom.js';
import { sentence } from '../shared/errors.js';
import { offerThreads } from '../shared/isolation.js';
import { wireTheme } from '../shared/theme-button.js';
import { openPhoto } from '../shared/sources.js';
import { photo, response } from './early.js';
import { Playground } from './playground.js';

wireTheme(byId('theme', HTMLButtonElement));
offerThreads(byId('isolation-offer', HTMLElement));
const main = byId('playground', HTMLElement);
try {
  // the picture is read while the WebAssembly arrives
  const source = openPhoto(photo, response);
  source.catch(() => {}); // the playground says so, once it is there
  const playground = new Playground(await load());
  await playground.start({ photo, source });
} catch (error) {
  main.dataset.state = 'failed';
  showError(byId('fatal-error', HTMLElement), `The playground could not start. ${sentence(error)}`);
} finally {
  main.removeAttribute('aria-busy');
}
