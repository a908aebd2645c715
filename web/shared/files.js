/** @import { Definition } from './types.js' */
import { DynakernelError } from '../dynakernel/index.js';
import { byId } from './dom.js';
import { sentence } from './errors.js';
import { readBlocks, refuseFormat } from './statedict.js';

/**
 * Splits the files that a person gave into pictures and a state dict: the first state dict, if there are several.
 *
 * @param {File[]} files
 */
export function sortFiles(files) {
  const isState = (/** @type {File} */ { name }) => /\.safetensors$/i.test(name) || refuseFormat(name) !== '';
  return { images: files.filter((file) => !isState(file)), state: files.find(isState) };
}

/**
 * Reads the blocks in a state dict, at least one. Rejects with an error for people.
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
    throw new Error(`“${file.name}” cannot be read. ${sentence(error)}`, { cause: error });
  }
}

/**
 * Calls onFiles with the files that a person chooses in a file dialog.
 *
 * @param {string} id  the id of the input
 * @param {(files: File[]) => void} onFiles
 */
export function listenForChoice(id, onFiles) {
  const input = byId(id, HTMLInputElement);
  input.addEventListener('change', () => {
    onFiles([...(input.files ?? [])]);
    input.value = ''; // so that choosing the same file again is a change
  });
}

/**
 * Calls onFiles with the files that a person drops or pastes anywhere on the page.
 *
 * @param {HTMLElement} overlay  is shown while files hover over the page
 * @param {(files: File[]) => void} onFiles
 */
export function listenForFiles(overlay, onFiles) {
  const carriesFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes('Files') ?? false;
  let depth = 0; // each element under the pointer sends a dragenter and later a dragleave
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
