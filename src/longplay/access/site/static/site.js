// The site, for browsers that run scripts: pages change without a new document, so that music goes
// on; search answers while one types. Every page is the same without any of it.

import { player } from "./player.js";
import { drawer } from "./drawer.js";
import { withForm } from "./telling.js";
import { keyboard } from "./keyboard.js";

const main = document.getElementById("main");
const told = document.getElementById("told");
const box = document.getElementById("q");
const parser = new DOMParser();

let asking = null; // what aborts the page that is on its way

/** Bring a page, and show it in place of this one. `how` says what becomes of history and focus. */
async function go(address, how = {}) {
  const { push = true, replace = false, typing = false, body = null, method = "GET" } = how;
  asking?.abort();
  const mine = (asking = new AbortController());
  main.classList.add("waiting");
  try {
    const answer = await fetch(address, {
      method, body, signal: mine.signal, headers: { Accept: "text/html" },
    });
    const kind = answer.headers.get("content-type") ?? "";
    if (!kind.startsWith("text/html")) {
      location.assign(address);
      return;
    }
    const page = parser.parseFromString(await answer.text(), "text/html");
    if (mine !== asking) return;
    if (!page.getElementById("player")) {
      location.assign(address);
      return;
    }
    if (push || replace) {
      history[replace ? "replaceState" : "pushState"]({}, "", answer.url + (new URL(address, location.href).hash));
    }
    show(page, typing);
  } catch (error) {
    if (error.name !== "AbortError") location.assign(address);
  } finally {
    if (mine === asking) main.classList.remove("waiting");
  }
}

function show(page, typing) {
  document.title = page.title;
  main.replaceChildren(...document.adoptNode(page.getElementById("main")).childNodes);
  const [token, fresh] = [document, page].map((one) => one.querySelector("meta[name=form-token]"));
  token?.remove();
  if (fresh) document.head.append(document.adoptNode(fresh));
  const nav = page.querySelector(".top nav"); // who is signed in, and where one is
  document.querySelector(".top nav").replaceChildren(...document.adoptNode(nav).childNodes);
  const count = main.querySelector("[data-tell]");
  told.textContent = typing && count ? count.textContent : "";
  if (!typing) {
    box.value = page.getElementById("q")?.getAttribute("value") ?? "";
    window.scrollTo({ top: history.state?.top ?? 0, behavior: "instant" });
    const heading = main.querySelector("h1") ?? main;
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
  }
  player.mark();
}

function ours(link) {
  return link && link.origin === location.origin && !link.target && !link.hasAttribute("download")
    && !("whole" in link.dataset) && !/^\/(api|rest|releases|static|seed|docs|covers)\//.test(link.pathname);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!ours(link) || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.pathname === location.pathname && link.search === location.search && link.hash) return;
  event.preventDefault();
  remember();
  go(link.href);
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if ("whole" in form.dataset || form.origin !== undefined && form.target) return;
  const address = new URL(form.getAttribute("action") || location.href, location.href);
  if (address.origin !== location.origin || form.enctype === "multipart/form-data") return;
  event.preventDefault();
  const fields = new URLSearchParams(new FormData(form, event.submitter));
  if (form.id === "starring") {
    const button = event.submitter;
    turn(button);
    pressed.push({ button, address: address.href, fields });
    stars = stars.then(() => withForm(() => star(pressed.shift())));
    return;
  }
  remember();
  if (form.method === "post") {
    withForm(() => go(address.href, { method: "POST", body: fields }));
  } else {
    address.search = fields;
    go(address.href);
  }
});

const pressed = []; // the stars that wait
let stars = Promise.resolve(); // one after another, as they were pressed

/** Give a star to a track of a list, or take it back, with the list as it stands. */
async function star(one) {
  if (!one) return; // it went with the page
  const answer = await post(one);
  if (answer?.type === "opaqueredirect") return;
  turn(one.button);
  remember();
  await go(one.address, { method: "POST", body: one.fields }); // the answer says why not
}

/** Sent to its end also when the page is left. */
function post({ address, fields }) {
  return fetch(address, { method: "POST", body: fields, redirect: "manual", keepalive: true }).catch(() => null);
}

window.addEventListener("pagehide", () => pressed.splice(0).forEach(post));

function turn(button) {
  const given = button.name === "star";
  button.name = given ? "unstar" : "star";
  button.setAttribute("aria-pressed", given);
  button.querySelector("use").setAttribute("href", `/static/icons.svg#${given ? "starred" : "star"}`);
}

document.addEventListener("change", (event) => {
  if ("submits" in (event.target.dataset ?? {})) event.target.form.requestSubmit();
});

window.addEventListener("popstate", () => go(location.href, { push: false }));
history.scrollRestoration = "manual";

function remember() {
  history.replaceState({ top: scrollY }, "");
}

// Search as you type

let waiting = 0;

box.addEventListener("input", () => {
  clearTimeout(waiting);
  const text = box.value;
  waiting = setTimeout(() => {
    const here = location.pathname === "/search";
    const held = here && new URLSearchParams(location.search).has("held") ? "&held=yes" : "";
    if (!here) remember();
    go(`/search?q=${encodeURIComponent(text)}${held}`, { push: !here, replace: here, typing: true });
  }, 70);
});

box.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") {
    event.preventDefault();
    stops()[0]?.focus();
  } else if (event.key === "Escape" && !box.value) {
    box.blur();
  }
});

const stops = () => [...main.querySelectorAll(".tracks .title, .shelf a, .words a")].filter((one) => one.offsetParent);

main.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const all = stops();
  const at = all.indexOf(document.activeElement);
  if (at < 0) return;
  event.preventDefault();
  const next = event.key === "ArrowDown" ? at + 1 : at - 1;
  (next < 0 ? box : all[Math.min(next, all.length - 1)]).focus();
});

// Buttons

const tracksOf = (root) => [...root.querySelectorAll("[data-track]")].map((one) => JSON.parse(one.dataset.track));

async function everything() {
  const answer = await fetch("/shuffle", { headers: { Accept: "text/html" } });
  return tracksOf(parser.parseFromString(await answer.text(), "text/html"));
}

function shuffled(list) {
  const all = [...list];
  for (let at = all.length - 1; at > 0; at--) {
    const other = Math.floor(Math.random() * (at + 1));
    [all[at], all[other]] = [all[other], all[at]];
  }
  return all;
}

const deeds = {
  play(button) {
    const row = button.closest("[data-track]");
    const all = [...main.querySelectorAll("[data-track]")];
    const list = all.map((one) => JSON.parse(one.dataset.track));
    const at = all.indexOf(row);
    if (player.current?.id === list[at].id) player.toggle();
    else player.start(list, at);
  },
  "play-all": () => player.start(tracksOf(main), 0),
  "shuffle-all": () => player.start(shuffled(tracksOf(main)), 0),
  "queue-all": () => {
    const added = player.add(tracksOf(main));
    told.textContent = `${added} added to the queue`;
    drawer.show();
  },
  async "shuffle-everything"() {
    player.start(await everything(), 0, { more: everything });
  },
  "go-on"(button) {
    player.start(tracksOf(main), Number(button.dataset.start));
    player.seekWhenReady(Number(button.dataset.position) / 1000);
  },
  toggle: () => player.toggle(),
  next: () => player.next(),
  previous: () => player.previous(),
  mute: () => player.mute(),
  shuffle: () => player.shuffle(shuffled),
  repeat: () => player.repeat(),
  clear: () => player.clear(),
  queue: () => drawer.show(),
  help: () => document.getElementById("help").showModal(),
  close: (button) => button.closest("dialog").close(),
  theme() {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("longplay.theme", root.dataset.theme); } catch { /* forbidden */ }
  },
  async copy(button) {
    const field = document.getElementById(button.dataset.of);
    field.select();
    await navigator.clipboard?.writeText(field.value).catch(() => {});
    told.textContent = button.textContent = "Copied";
  },
};

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-do]");
  if (button && deeds[button.dataset.do]) deeds[button.dataset.do](button);
});

document.querySelectorAll("dialog").forEach((dialog) => {
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
});

keyboard(deeds, player, box);
player.mark();
document.documentElement.dataset.ready = "yes";
