import { PHOTOS } from '../shared/photos.js';

/** The photograph that the page opens by itself. */
export const USUAL_PHOTO = PHOTOS[2];
