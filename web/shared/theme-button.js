const THEMES = ['system', 'light', 'dark'];

/** Makes a button that switches from theme to theme and stores the choice. @param {HTMLButtonElement} button */
export function wireTheme(button) {
  const root = document.documentElement;
  const show = () => {
    button.textContent = `Theme: ${root.dataset.theme ?? 'system'}`;
  };
  button.addEventListener('click', () => {
    const theme = THEMES[(THEMES.indexOf(root.dataset.theme ?? 'system') + 1) % THEMES.length];
    if (theme === 'system') delete root.dataset.theme;
    else root.dataset.theme = theme;
    try {
      if (theme === 'system') localStorage.removeItem('dynakernel-theme');
      else localStorage.setItem('dynakernel-theme', String(theme));
    } catch {
      // If the browser forbids storage, the choice lasts as long as the page.
    }
    show();
  });
  show();
}
