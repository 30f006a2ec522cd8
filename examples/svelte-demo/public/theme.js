// Applies the theme chosen earlier before anything is painted. Without a choice the system's preference holds.
(() => {
  const theme = localStorage.getItem('mana-demo:theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
})();
