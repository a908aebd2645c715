/**
 * The offer of several threads on hosts that do not send the headers for them. A service worker adds those. It is
 * switched on and off by a person only, and so is each reload that this needs.
 */
import { element } from './dom.js';
import { messageOf } from './errors.js';
import { IS_SITE } from './site.js';

/** In the session's storage while the page loads again to be isolated. */
const KEY = 'dynakernel-isolation';

const WORKER = 'isolation-worker.js';

/**
 * Fills an element with the offer, with the way back, or with the reason why it failed. On pages that need no service
 * worker, or that could not have one, the element stays hidden.
 *
 * @param {HTMLElement} place
 */
export function offerThreads(place) {
  const hasFailed = takeMark() && !globalThis.crossOriginIsolated;
  if (!IS_SITE || !navigator.serviceWorker) return;
  if (globalThis.crossOriginIsolated && !navigator.serviceWorker.controller) return; // the server sends the headers
  const show = (/** @type {string} */ text, /** @type {string} */ label, /** @type {() => Promise<void>} */ act) => {
    const button = element('button', { type: 'button' }, label);
    button.addEventListener('click', async () => {
      button.disabled = true;
      try {
        await act();
      } catch (error) {
        show(`The browser refused the service worker (${messageOf(error)}), so that there is one thread.`, label, act);
      }
    });
    place.replaceChildren(element('p', { role: 'status' }, text), button);
    place.hidden = false;
  };
  if (globalThis.crossOriginIsolated) {
    show('Several threads are on: a service worker in this browser adds the headers that they need.',
      'Back to one thread', switchOff);
  } else if (hasFailed) {
    show('Several threads did not work here: this browser, or its settings, kept the page from being isolated.',
      'Try again', switchOn);
  } else {
    show('This page computes on one thread, because its host does not send the headers that more need. A small service ' +
      'worker can add them in this browser; the page then loads once more.', 'Use several threads', switchOn);
  }
}

async function switchOn() {
  await navigator.serviceWorker.register(new URL(WORKER, document.baseURI));
  await navigator.serviceWorker.ready;
  mark();
  location.reload();
}

async function switchOff() {
  const registration = await navigator.serviceWorker.getRegistration();
  await registration?.unregister();
  location.reload();
}

function mark() {
  try {
    sessionStorage.setItem(KEY, 'asked');
  } catch {
    // Without storage the page cannot say that it failed; it offers the same again.
  }
}

/** Removes the mark. @returns {boolean} true if there was one */
function takeMark() {
  try {
    const isMarked = sessionStorage.getItem(KEY) !== null;
    sessionStorage.removeItem(KEY);
    return isMarked;
  } catch {
    return false;
  }
}
