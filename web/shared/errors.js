/** Errors in words. */

/** @param {unknown} error */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/**
 * Any error as one sentence.
 *
 * @param {unknown} error
 */
export function sentence(error) {
  const text = messageOf(error).trim() || 'Something failed without a message';
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');
}

/**
 * What getUserMedia's refusals mean, by DOMException name.
 *
 * @type {Record<string, string>}
 */
const CAMERA = {
  NotAllowedError:
    'The browser was not allowed to use the webcam. Allow it in the site’s settings, then start it again.',
  SecurityError: 'The browser does not let this page use the webcam. Allow it in the site’s settings, then try again.',
  NotFoundError: 'No webcam was found. Plug one in, then start it again.',
  NotReadableError: 'The webcam is there but gave no picture; another program may be using it.',
  AbortError: 'The webcam is there but gave no picture; another program may be using it.',
  OverconstrainedError: 'The webcam offers no picture that the playground can use.',
};

/** @param {unknown} error */
export function cameraSentence(error) {
  const name = error instanceof Error ? error.name : '';
  return CAMERA[name] ?? `The webcam could not be started. ${sentence(error)}`;
}
