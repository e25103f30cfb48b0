// What a signed-in listener's player tells the archive: the queue, to go on with elsewhere, and what
// was heard. Of others nothing is told.

import { player } from "./player.js";

const CALM = 4000; // milliseconds after the last change before a queue is told
const MOST = 1000; // tracks that are told

const token = () => document.querySelector("meta[name=form-token]")?.content;

function tell(address, fields) {
  if (!token()) return;
  fetch(address, {
    method: "POST", keepalive: true, headers: { "X-Form-Token": token() }, body: new URLSearchParams(fields),
  }).catch(() => {}); // told again with the next change
}

let waiting = 0;
let told = "";

function queue() {
  const from = Math.max(0, Math.min(player.at - 100, player.list.length - MOST));
  const tracks = player.list.slice(from, from + MOST).map((track) => track.id).join(" ");
  const state = `${tracks} ${player.at} ${player.playing}`;
  if (state === told) return;
  told = state;
  tell("/queue", {
    tracks, place: Math.max(0, player.at - from), position_ms: Math.round(1000 * (player.now.audio.currentTime || 0)),
  });
}

let heard = { track: null, seconds: 0, last: 0, told: false };

// Seconds that were really heard: jumps count for nothing.
function listen() {
  const track = player.current;
  const at = player.now.audio.currentTime;
  if (track !== heard.track) {
    heard = { track, seconds: 0, last: at, told: false };
    if (track && player.playing) tell("/plays", { track: track.id, now: "yes" });
    return;
  }
  const step = at - heard.last;
  if (step > 0 && step < 2) heard.seconds += step;
  heard.last = at;
  if (track && !heard.told && heard.seconds >= Math.min(240, player.seconds / 2)) {
    heard.told = true;
    tell("/plays", { track: track.id });
  }
}

player.listeners.add(() => {
  clearTimeout(waiting);
  waiting = setTimeout(queue, CALM);
});
for (const deck of player.decks) deck.audio.addEventListener("timeupdate", listen);
window.addEventListener("pagehide", queue);
