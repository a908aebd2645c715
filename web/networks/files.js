/** Sorts the files that a person gives. */

const NETWORK = /\.(onnx|pth?|ckpt|bin|pkl|safetensors|pb|h5|keras|tflite|gguf|npz|npy|mlmodel)$/i;
const LABELS = /\.(txt|json|csv|names)$/i;

/**
 * Returns the first network, the first list of labels and the first picture. What cannot be told goes to the network's
 * reader, which says what it is.
 *
 * @param {File[]} files
 * @returns {{ network?: File, labels?: File, picture?: File }}
 */
export function sortFiles(files) {
  const isPicture = (/** @type {File} */ { name, type }) =>
    type.startsWith('image/') || (/\.(jpe?g|png|webp|gif|svg|avif|bmp|heic|tiff?)$/i.test(name));
  const isLabels = (/** @type {File} */ { name }) => LABELS.test(name);
  return {
    network: files.find((file) => NETWORK.test(file.name) || (!isPicture(file) && !isLabels(file))),
    labels: files.find(isLabels),
    picture: files.find((file) => !NETWORK.test(file.name) && isPicture(file)),
  };
}
