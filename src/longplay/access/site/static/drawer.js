// The queue, to look at and to change.

import { player } from "./player.js";

const dialog = document.getElementById("queue");
const list = dialog.querySelector("ol");
const line = dialog.querySelector("template").content.firstElementChild;
const MOST = 300; // lines that are drawn: from a few before the track that plays

function draw() {
  if (!dialog.open) return;
  const from = Math.max(0, player.at - 20);
  const lines = player.list.slice(from, from + MOST).map((track, place) => {
    const item = line.cloneNode(true);
    const at = from + place;
    item.dataset.at = at;
    item.classList.toggle("current", at === player.at);
    if (at === player.at) item.setAttribute("aria-current", "true");
    item.querySelector(".t").textContent = track.title;
    item.querySelector(".a").textContent = track.artist;
    item.querySelector("[data-line=up]").setAttribute("aria-label", `Move ${track.title} up`);
    item.querySelector("[data-line=down]").setAttribute("aria-label", `Move ${track.title} down`);
    item.querySelector("[data-line=remove]").setAttribute("aria-label", `Remove ${track.title}`);
    return item;
  });
  list.replaceChildren(...lines);
  const left = player.list.slice(Math.max(0, player.at)).reduce((sum, track) => sum + (track.ms ?? 0), 0);
  dialog.querySelector("[data-left]").textContent = player.list.length
    ? `${player.list.length} tracks, ${Math.max(1, Math.round(left / 60000))} min to go` : "Nothing is queued.";
}

dialog.addEventListener("click", (event) => {
  const button = event.target.closest("[data-line]");
  if (!button) return;
  const at = Number(button.closest("li").dataset.at);
  const deed = button.dataset.line;
  if (deed === "play") player.play(at);
  if (deed === "remove") player.remove(at);
  if (deed === "up") player.move(at, at - 1);
  if (deed === "down") player.move(at, at + 1);
  draw();
  const then = { up: at - 1, down: at + 1 }[deed] ?? at;
  const item = list.querySelector(`[data-at="${then}"]`) ?? list.lastElementChild;
  (item?.querySelector(`[data-line=${deed}]`) ?? dialog.querySelector("[data-do=close]")).focus();
});

player.listeners.add(draw);

export const drawer = {
  show() {
    if (!dialog.open) dialog.showModal();
    draw();
  },
};
