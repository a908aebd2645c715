// A classic script in the head: it sets the chosen theme before the first paint.
(() => {
  'use strict';
  try {
    const theme = localStorage.getItem('dynakernel-theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch {
    // If the browser forbids storage, the system's theme applies.
  }
})();
