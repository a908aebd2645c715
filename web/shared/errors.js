/** Errors as sentences for people. */

/** Returns the message of anything that was thrown. @param {unknown} error */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/**
 * Returns the message of any error as one sentence.
 *
 * @param {unknown} error
 */
export function sentence(error) {
  const text = messageOf(error).trim() || 'Something failed without a message';
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');
}
