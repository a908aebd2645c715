/** The entry of the page "Teach it". */
import { byId, showError } from '../shared/dom.js';
import { sentence } from '../shared/errors.js';
import { offerThreads } from '../shared/isolation.js';
import { wireTheme } from '../shared/theme-button.js';
import { TeachPage } from './page.js';

wireTheme(byId('theme', HTMLButtonElement));
offerThreads(byId('isolation-offer', HTMLElement));
try {
  await new TeachPage().start();
} catch (error) {
  byId('teach', HTMLElement).dataset.state = 'failed';
  showError(byId('fatal-error', HTMLElement), `This page could not start. ${sentence(error)}`);
} finally {
  byId('teach', HTMLElement).removeAttribute('aria-busy');
}
