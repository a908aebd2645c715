// Measures of a page's accessibility: the order of the focus, names, contrast, announcements to screen readers.

/**
 * Presses Tab until the focus comes back or reaches `last`, and returns the stops. A stop has a name (`name=` for radio
 * buttons; else the id, label, name, address or tag) and says if an outline shows it.
 */
export async function tabStops(page, last) {
  const stops = [];
  const visited = await page.evaluateHandle(() => new Set());
  for (let i = 0; i < 80; i++) {
    await page.keyboard.press('Tab');
    const stop = await page.evaluate((set) => {
      const { activeElement: active } = document;
      if (!active || active === document.body || set.has(active)) return null;
      set.add(active);
      // The element after a hidden input shows the input's outline.
      const outlined = [active, active.nextElementSibling].some(
        (element) => element && getComputedStyle(element).outlineStyle !== 'none',
      );
      const name =
        active.type === 'radio'
          ? `${active.name}=`
          : active.id || active.getAttribute('aria-label') || active.name || active.getAttribute('href');
      return { name: name || active.tagName.toLowerCase(), outlined };
    }, visited);
    if (!stop) break;
    stops.push(stop);
    if (stop.name === last) break;
  }
  return stops;
}

/** Runs in a page: returns the elements that need an accessible name and have none. */
export function nameless() {
  const textOf = (elements) => elements.map((element) => element?.textContent ?? '').join(' ');
  const nameOf = (element) => {
    const labelledBy = element.getAttribute('aria-labelledby')?.split(' ');
    const words = labelledBy
      ? textOf(labelledBy.map((id) => document.getElementById(id)))
      : element.getAttribute('aria-label') ?? textOf([...(element.labels ?? [])]);
    return (words || element.querySelector('legend')?.textContent || element.textContent).trim();
  };
  const needing =
    'button, input, select, output, progress, summary, fieldset, section, figure, pre, a, ol.bars, [role="img"], ' +
    'canvas:not([aria-hidden="true"])';
  return [...document.querySelectorAll(needing)]
    .filter((element) => !nameOf(element))
    .map(({ outerHTML }) => outerHTML.slice(0, 90));
}

/** Runs in a page: returns the lowest contrast of any text with its background, by WCAG's formula. */
export function lowestContrast() {
  // color-mix() gives color(srgb …) with numbers from 0 to 1
  const parse = (colour) => colour.match(/[\d.]+/g)
    .map((value, i) => Number(value) * (colour.startsWith('color(srgb') && i < 3 ? 255 : 1));
  const luminance = ([r, g, b]) =>
    [r, g, b]
      .map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
      .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let ancestor = element; ancestor; ancestor = ancestor.parentElement) {
      const colour = parse(getComputedStyle(ancestor).backgroundColor);
      if ((colour[3] ?? 1) > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  let lowest = { ratio: Infinity, what: '' };
  for (const element of document.querySelectorAll('body *')) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!hasText || element.closest(':disabled') || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const front = parse(element.namespaceURI.endsWith('svg') ? style.fill : style.color);
    const [ink, paper] = [front, behind(element)].map(luminance);
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    if (ratio < lowest.ratio) lowest = { ratio, what: element.outerHTML.slice(0, 90) };
  }
  return lowest;
}

/** Runs in a page: counts the announcements to screen readers within a time. */
export async function spokenChanges(milliseconds) {
  let count = 0;
  const observer = new MutationObserver((list) => {
    count += list.length;
  });
  for (const live of document.querySelectorAll('[role="status"], [role="alert"], [aria-live], output'))
    observer.observe(live, { childList: true, characterData: true, subtree: true, attributes: true });
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  observer.disconnect();
  return count;
}
