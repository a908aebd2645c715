/** @import { Definition } from './types.js' */
import { DynakernelError } from '../dynakernel/index.js';
import { byId } from './dom.js';
import { sentence } from './errors.js';
import { readBlocks, refuseFormat } from './statedict.js';

/**
 * What a person gave: pictures, and a state dict, the first where there are several.
 *
 * @param {File[]} files
 */
export function sortFiles(files) {
  const isState = (/** @type {File} */ { name }) => /\.safetensors$/i.test(name) || refuseFormat(name) !== '';
  return { images: files.filter((file) => !isState(file)), state: files.find(isState) };
}

/**
 * The blocks in a state dict, at least one. Rejects with an error for people.
 *
 * @param {File} file
 * @returns {Promise<{ prefix: string, definition: Definition }[]>}
 */
export async function readStateFile(file) {
  const refusal = refuseFormat(file.name);
  if (refusal) throw new Error(refusal);
  try {
    return readBlocks(new Uint8Array(await file.arrayBuffer()), file.name);
  } catch (error) {
    if (!(error instanceof DynakernelError)) throw error;
    throw new Error(`“${file.name}” cannot be read. ${sentence(error)}`);
  }
}

/**
 * Files that are chosen in a file dialog.
 *
 * @param {string} id  of the input
 * @param {(files: File[]) => void} onFiles
 */
export function listenForChoice(id, onFiles) {
  const input = byId(id, HTMLInputElement);
  input.addEventListener('change', () => {
    onFiles([...(input.files ?? [])]);
    input.value = ''; // the same file may be chosen again
  });
}

/**
 * Files that reach the page by drop or paste, anywhere on it.
 *
 * @param {HTMLElement} overlay  shown while files hover over the page
 * @param {(files: File[]) => void} onFiles
 */
export function listenForFiles(overlay, onFiles) {
  const carriesFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes('Files') ?? false;
  let depth = 0; // dragenter and dragleave come in pairs, one for each element under the pointer
  document.addEventListener('dragenter', (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth++;
    overlay.hidden = false;
  });
  document.addEventListener('dragleave', (event) => {
    if (!carriesFiles(event)) return;
    depth = Math.max(0, depth - 1);
    overlay.hidden = depth === 0;
  });
  document.addEventListener('dragover', (event) => {
    if (carriesFiles(event)) event.preventDefault();
  });
  document.addEventListener('drop', (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth = 0;
    overlay.hidden = true;
    onFiles([...(event.dataTransfer?.files ?? [])]);
  });
  document.addEventListener('paste', (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    onFiles(files);
  });
}
