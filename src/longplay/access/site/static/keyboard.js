// Single keys, which can be switched off: who speaks to the computer may say them by accident.

const NAME = "longplay.keys";

export function keyboard(deeds, player, box) {
  const choice = document.querySelector("[data-keys]");
  try { choice.checked = localStorage.getItem(NAME) !== "off"; } catch { /* forbidden: on */ }
  choice.addEventListener("change", () => {
    try { localStorage.setItem(NAME, choice.checked ? "on" : "off"); } catch { /* as long as the page */ }
  });

  const keys = {
    "/": () => { box.focus(); box.select(); },
    " ": () => deeds.toggle(),
    k: () => deeds.toggle(),
    n: () => deeds.next(),
    p: () => deeds.previous(),
    m: () => deeds.mute(),
    q: () => deeds.queue(),
    "?": () => deeds.help(),
    ArrowLeft: () => player.seek(player.now.audio.currentTime - 10),
    ArrowRight: () => player.seek(player.now.audio.currentTime + 10),
  };

  document.addEventListener("keydown", (event) => {
    if (!choice.checked || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const at = event.target;
    if (at.closest("input, textarea, select, dialog, [contenteditable]")) return;
    if (event.key === " " && at.closest("button, a, summary")) return;
    const deed = keys[event.key];
    if (!deed) return;
    event.preventDefault();
    deed();
  });
}
