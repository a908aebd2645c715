/**
 * Colour maps of 256 RGBA colours. Three are stored as 33 evenly spaced colours and interpolated
 * linearly, within 2/255 of the originals: viridis (Smith and van der Walt, 2015), turbo (Mikhailov,
 * 2019) and coolwarm (Moreland, 2009).
 */

/** @typedef {'gray' | 'viridis' | 'turbo' | 'coolwarm'} Colormap */

/** @type {Record<Colormap, string>} */
const ANCHORS = {
  gray: '000000 ffffff',
  viridis:
    '440153 460c60 48186a 482273 472c7b 453681 424085 3e4989 3b528b 375a8c 33628d ' +
    '2f6a8e 2c728e 297a8e 26818e 23898d 218f8c 1e978b 1e9f88 21a684 27ad80 31b57a ' +
    '3dbc74 4cc26c 5cc862 6ece58 81d34c 95d83f abdc32 c0df24 d5e219 eae419 fde724',
  turbo:
    '30123c 392973 4040a2 4456c7 466be3 477ff7 4293ff 37a7fa 29bbec 1ccdd8 17dcc3 ' +
    '1de9b0 31f199 4bf97e 6bfd63 8aff4c a3fd3b b7f634 cced34 dee036 edd03a f8c03a ' +
    'fdad34 fe982c fb7f21 f56717 ec520e e04008 d23104 c02202 ac1601 950c01 7a0402',
  coolwarm:
    '3a4cc0 445acc 4d67d7 5775e1 6182ea 6c8ef1 779af7 82a5fb 8daffd 98b9ff a3c1fe ' +
    'aec9fc b8cff9 c2d4f4 cbd8ed d5dbe6 dcdcdc e5d8d1 ecd3c5 f1ccb9 f5c4ac f6bba0 ' +
    'f7b194 f6a687 f4997b f08c6f eb7f63 e57057 dd604c d55042 cb3d38 bf282f b30326',
};

export const COLORMAPS = /** @type {Colormap[]} */ (Object.keys(ANCHORS));

/**
 * @param {Colormap} name
 * @returns {Uint8Array} [256, 4], from the lowest value's colour to the highest value's
 */
export function palette(name) {
  const anchors = ANCHORS[name].split(' ').map((hex) => parseInt(hex, 16));
  const colours = new Uint8Array(256 * 4).fill(255);
  for (let i = 0; i < 256; i++) {
    const position = (i / 255) * (anchors.length - 1);
    const below = Math.min(Math.floor(position), anchors.length - 2);
    const fraction = position - below;
    for (let channel = 0; channel < 3; channel++) {
      const shift = 16 - 8 * channel;
      const [low, high] = [anchors[below] >> shift & 255, anchors[below + 1] >> shift & 255];
      colours[4 * i + channel] = Math.round(low + fraction * (high - low));
    }
  }
  return colours;
}
