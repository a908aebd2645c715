/**
 * Returns the element with this id. Throws if there is none of this class.
 *
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function byId(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`#${id} is no ${type.name}`);
  return found;
}

/**
 * Returns a new element with these attributes and children. Attributes that are null or false are left out.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number | boolean | null>} [attributes]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, attributes = {}, ...children) {
  const created = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    created.setAttribute(name, value === true ? '' : String(value));
  }
  created.append(...children);
  return created;
}

/**
 * Sets the text only if it differs. A frame without changes then causes no layout.
 *
 * @param {Element} target
 * @param {string} text
 */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/**
 * Shows a message beside the control that it is about. An empty message hides the element.
 *
 * @param {HTMLElement} target  an element with role alert
 * @param {string} message
 */
export function showError(target, message) {
  setText(target, message);
  const hidden = message === '';
  if (target.hidden !== hidden) target.hidden = hidden; // a frame without a message changes nothing
}

/** @typedef {HTMLButtonElement | HTMLInputElement | HTMLSelectElement} Control */

/**
 * Enables and disables the controls of a group. A disabled control would lose the keyboard's focus, so the first
 * enabled control of the group receives the focus. If there is none, the substitute receives it.
 *
 * @param {readonly (readonly [control: Control, enabled: boolean])[]} group
 * @param {HTMLElement} [substitute]
 */
export function setEnabled(group, substitute) {
  for (const [control, enabled] of group) if (enabled) control.disabled = false;
  const loses = group.some(([control, enabled]) => !enabled && control === document.activeElement);
  if (loses) (group.find(([, enabled]) => enabled)?.[0] ?? substitute)?.focus();
  for (const [control, enabled] of group) if (!enabled) control.disabled = true;
}

/**
 * Returns a sentence that says what is wrong with a field for whole numbers, or '' if its value is valid.
 *
 * @param {HTMLInputElement} input
 */
export function numberProblem(input) {
  if (input.checkValidity() && Number.isInteger(input.valueAsNumber)) return '';
  const name = input.labels?.[0]?.textContent?.trim() ?? 'This';
  const got = input.value ? `“${input.value}”` : 'nothing';
  return `${name} must be a whole number from ${input.min} to ${input.max}; got ${got}.`;
}

/**
 * Returns the canvases of a container after adding or removing some to reach the count. Each shows one plane of a
 * kernel, a pixel per entry; the style sheet enlarges it.
 *
 * @param {HTMLElement} container
 * @param {number} count
 */
export function heatCanvases(container, count) {
  while (container.childElementCount > count) container.lastElementChild?.remove();
  while (container.childElementCount < count) container.append(element('canvas', { role: 'img', class: 'heat' }));
  return /** @type {HTMLCanvasElement[]} */ ([...container.children]);
}

/**
 * Returns a radio button that looks like a tab.
 *
 * @param {string} name  the group's name
 * @param {{ id: string, title: string }} tab
 * @param {boolean} checked
 */
export function tab(name, { id, title }, checked) {
  return element(
    'label',
    {},
    element('input', { type: 'radio', name, value: id, checked, autocomplete: 'off' }),
    element('span', {}, title),
  );
}

/**
 * Copies one canvas to another, and its size too.
 *
 * @param {HTMLCanvasElement} source
 * @param {HTMLCanvasElement} target
 */
export function copyCanvas(source, target) {
  if (target.width !== source.width) target.width = source.width;
  if (target.height !== source.height) target.height = source.height;
  const context = target.getContext('2d');
  if (!context) return;
  context.globalCompositeOperation = 'copy';
  context.drawImage(source, 0, 0);
}

/**
 * Downloads a blob as a file.
 *
 * @param {Blob} blob
 * @param {string} name  the file's name
 */
export function download(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = element('a', { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  // The browser reads the blob after the click's task.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
