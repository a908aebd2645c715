import { PHOTOS } from '../shared/photos.js';

/** The photograph that the page opens by itself. */
export const USUAL_PHOTO = PHOTOS[2];

/** Returns the photograph that a link names. @param {string | null} picture  its id */
export const pictureOf = (picture) => PHOTOS.find(({ id }) => id === picture) ?? USUAL_PHOTO;
