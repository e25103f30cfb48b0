// Before anything is painted: the colours that were chosen last, and that scripts run at all.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  try {
    const chosen = localStorage.getItem("longplay.theme");
    if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  } catch { /* storage is forbidden: the system's colours */ }
})();
