/** True on the built site (scripts/site), false if the sources are served as they are. */
export const IS_SITE = /** @type {any} */ (globalThis).DYNAKERNEL_SITE === true;
