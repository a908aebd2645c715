// A classic script in the head, so that the chosen theme is there before the first paint.
(() => {
  'use strict';
  try {
    const theme = localStorage.getItem('dynakernel-theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be forbidden; the system's theme applies.
  }
})();
