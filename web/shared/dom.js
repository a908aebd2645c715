/**
 * The element with this id, of this class.
 *
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function byId(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`#${id} is no ${type.name}`);
  return element;
}

/**
 * A new element with attributes (null and false: left out) and children.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number | boolean | null>} [attributes]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    made.setAttribute(name, value === true ? '' : String(value));
  }
  made.append(...children);
  return made;
}

/**
 * Sets text only where it differs, so that frames that change nothing cause no layout.
 *
 * @param {Element} target
 * @param {string} text
 */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/**
 * Shows a message beside the control that it is about; an empty one hides it.
 *
 * @param {HTMLElement} target  an element with role alert
 * @param {string} message
 */
export function showError(target, message) {
  setText(target, message);
  target.hidden = message === '';
}

/** @typedef {HTMLButtonElement | HTMLInputElement | HTMLSelectElement} Control */

/**
 * Which controls of a group can be used. One that is disabled would drop the keyboard's focus: the first of the group
 * that is not takes it over, or else the substitute.
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
 * What is wrong with a field for whole numbers, as a sentence; '' where nothing is.
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
 * The canvases of a container, which is given as many as it takes: for kernels, which the style sheet enlarges.
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
 * One of a group of radio buttons that look like tabs.
 *
 * @param {string} name  of the group
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
 * Copies the pixels of one canvas into another of the same size.
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
 * @param {Blob} blob
 * @param {string} name
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
