// What a signed-in listener's player tells the archive: the queue, to go on with elsewhere, and what
// was heard. Of others nothing is told.
//
// A token (`meta[name=form-token]`) is worth something for one session alone. While a form is on its
// way that may begin or end one, nothing is told: it waits for the page that comes. What the archive
// cannot hear now is told later.

import { player } from "./player.js";

const CALM = 4000; // milliseconds after the last change before a queue is told
const AGAIN = 15000; // milliseconds before what could not be told is tried again
const PATIENCE = 2000; // milliseconds that a form waits for what is on its way
const MOST = 1000; // tracks that are told
const KEPT = 200; // tellings that wait

const meta = () => document.querySelector("meta[name=form-token]");

let line = []; // what waits: addresses and fields
let forms = 0; // on their way
let later = 0;
const going = new Set();

function tell(address, fields) {
  if (!meta()) return;
  if (address === "/queue") line = line.filter((one) => one.address !== "/queue"); // the newest counts
  line = [...line, { address, fields }].slice(-KEPT);
  if (!forms) sendAll();
}

function sendAll() {
  clearTimeout(later);
  if (!meta()) line = []; // nobody is signed in any more
  for (const one of line.splice(0)) {
    const sent = send(one).finally(() => going.delete(sent));
    going.add(sent);
  }
}

async function send(one, fresh = false) {
  const answer = await fetch(one.address, {
    method: "POST", keepalive: true, headers: { "X-Form-Token": meta()?.content ?? "" },
    body: new URLSearchParams(one.fields),
  }).catch(() => null);
  if (answer?.status === 403 && !fresh && !forms) {
    await renew(); // somebody logged out or in again elsewhere, in another tab maybe
    if (meta() && !forms) return send(one, true);
  }
  const lasting = answer?.status === 403 ? fresh : answer?.status !== 429 && answer?.status < 500;
  if (answer && lasting) return; // heard, or never to be
  if (one.address === "/queue") told = ""; // another one may have been told since
  else line.unshift(one);
  clearTimeout(later);
  later = setTimeout(again, AGAIN);
}

/** The token that holds now, out of the smallest page. */
async function renew() {
  const answer = await fetch("/logout", { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer?.ok || forms) return;
  const found = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("meta[name=form-token]");
  meta()?.remove();
  if (found) document.head.append(document.adoptNode(found));
}

/** Send a form, and show what it answers: what is on its way comes before it, and until its page is
    shown nothing is told. */
export async function withForm(deed) {
  forms += 1;
  try {
    await Promise.race([Promise.allSettled(going), new Promise((go) => setTimeout(go, PATIENCE))]);
    return await deed();
  } finally {
    forms -= 1;
    if (!forms) sendAll();
  }
}

let waiting = 0;
let told = "";

function queue() {
  if (!meta()) return;
  const from = Math.max(0, Math.min(player.at - 100, player.list.length - MOST));
  const tracks = player.list.slice(from, from + MOST).map((track) => track.id).join(" ");
  const state = `${tracks} ${player.at} ${player.playing}`;
  if (state === told) return;
  told = state;
  tell("/queue", {
    tracks, place: Math.max(0, player.at - from), position_ms: Math.round(1000 * (player.now.audio.currentTime || 0)),
  });
}

function again() {
  queue();
  if (!forms) sendAll();
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
window.addEventListener("pagehide", again);
window.addEventListener("online", again);
