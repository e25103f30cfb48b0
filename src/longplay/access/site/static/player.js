// The player: two audio elements that take turns, so that the next track stands ready when one ends.

import { load, save } from "./kept.js";

const bar = document.getElementById("player");
const $ = (selector) => bar.querySelector(selector);
const SOON = 25; // seconds before the end at which the next track is fetched
const AHEAD = 3; // tracks that are left when a shuffle over everything brings more
const ICONS = "/static/icons.svg#";

const clock = (seconds) => {
  const whole = Math.max(0, Math.floor(seconds || 0));
  const hours = Math.floor(whole / 3600);
  const rest = `${Math.floor(whole / 60) % 60}:${String(whole % 60).padStart(2, "0")}`;
  return hours ? `${hours}:${rest.padStart(5, "0")}` : rest;
};

class Deck {
  // One audio element, with the gain that its track needs.
  constructor(owner) {
    this.audio = new Audio();
    this.audio.preload = "auto";
    this.track = null;
    this.node = null;
    for (const name of ["timeupdate", "ended", "error", "play", "pause", "durationchange", "waiting", "playing"]) {
      this.audio.addEventListener(name, () => owner.heard(name, this));
    }
  }

  load(track, smaller = false) {
    this.track = track;
    this.smaller = smaller;
    this.audio.src = smaller ? `${track.src}?format=mp3` : track.src;
    this.audio.load();
  }

  empty() {
    this.track = null;
    this.audio.pause();
    this.audio.removeAttribute("src");
    this.audio.load();
  }
}

class Player {
  constructor() {
    this.list = [];
    this.at = -1;
    this.volume = 1;
    this.muted = false;
    this.repeats = false;
    this.more = null;
    this.context = null;
    this.listeners = new Set();
    this.decks = [new Deck(this), new Deck(this)];
    this.now = this.decks[0];
    this.later = this.decks[1];
    this.handover = 0;
    this.restore();
    this.wire();
  }

  get current() { return this.list[this.at] ?? null; }
  get playing() { return Boolean(this.now.track) && !this.now.audio.paused; }
  get seconds() {
    const length = this.now.audio.duration;
    return Number.isFinite(length) ? length : (this.current?.ms ?? 0) / 1000;
  }

  // What the queue does

  start(list, at, { more = null } = {}) {
    if (!list.length) return;
    this.list = list;
    this.more = more;
    this.play(at);
  }

  add(list) {
    const none = !this.list.length;
    this.list = [...this.list, ...list];
    if (none && this.list.length) this.ready(0);
    this.changed();
    return list.length;
  }

  play(at) {
    if (!this.list[at]) return;
    this.ready(at);
    this.resume();
  }

  /** Stand at a track, without playing it yet. */
  ready(at) {
    clearTimeout(this.handover);
    this.handover = 0;
    this.at = at;
    const track = this.list[at];
    if (this.later.track?.id === track.id && !this.later.audio.error) {
      const before = this.now;
      this.now = this.later;
      this.later = before;
      before.empty();
    } else {
      this.later.empty();
      this.now.load(track);
    }
    this.now.audio.currentTime = 0;
    this.loudness(this.now, at);
    this.problem("");
    this.show();
    this.changed();
    this.enough();
  }

  resume() {
    this.sound();
    this.now.audio.play().catch((error) => {
      if (error.name === "NotAllowedError") this.problem("Press play: the browser wants to be asked first.");
    });
  }

  toggle() {
    if (!this.current) return;
    if (!this.now.track) this.ready(this.at);
    if (this.now.audio.paused) this.resume();
    else this.now.audio.pause();
  }

  next() {
    const at = this.following();
    if (at < 0) { this.now.audio.pause(); return; }
    const went = this.playing || this.now.audio.ended;
    this.ready(at);
    if (went) this.resume();
  }

  following() {
    if (this.at + 1 < this.list.length) return this.at + 1;
    return this.repeats && this.list.length ? 0 : -1;
  }

  previous() {
    if (this.now.audio.currentTime > 4 || this.at < 1) { this.seek(0); return; }
    const went = this.playing;
    this.ready(this.at - 1);
    if (went) this.resume();
  }

  remove(at) {
    const current = at === this.at;
    this.list = this.list.filter((_, place) => place !== at);
    if (at < this.at) this.at -= 1;
    if (!this.list.length) { this.clear(); return; }
    if (current) {
      const went = this.playing;
      this.ready(Math.min(at, this.list.length - 1));
      if (went) this.resume();
    }
    this.later.empty();
    this.changed();
  }

  move(from, to) {
    if (to < 0 || to >= this.list.length) return;
    const current = this.current;
    const list = [...this.list];
    list.splice(to, 0, ...list.splice(from, 1));
    this.list = list;
    this.at = list.indexOf(current);
    this.later.empty();
    this.changed();
  }

  shuffle(shuffled) {
    const rest = shuffled(this.list.slice(this.at + 1));
    this.list = [...this.list.slice(0, this.at + 1), ...rest];
    this.later.empty();
    this.changed();
  }

  repeat() {
    this.repeats = !this.repeats;
    this.press();
    this.changed();
  }

  press() {
    for (const button of document.querySelectorAll("[data-do=repeat]")) button.setAttribute("aria-pressed", this.repeats);
  }

  clear() {
    this.list = [];
    this.at = -1;
    this.more = null;
    this.decks.forEach((deck) => deck.empty());
    this.show();
    this.changed();
  }

  async enough() {
    if (!this.more || this.list.length - this.at > AHEAD) return;
    const bring = this.more;
    this.more = null;
    try {
      const found = await bring();
      this.list = [...this.list, ...found];
      this.changed();
    } finally {
      this.more = bring;
    }
  }

  // Sound

  /** From the first gesture on, gains are made by Web Audio, which can also make louder. */
  sound() {
    if (!this.context && window.AudioContext) {
      this.context = new AudioContext();
      for (const deck of this.decks) {
        deck.node = this.context.createGain();
        this.context.createMediaElementSource(deck.audio).connect(deck.node).connect(this.context.destination);
      }
      this.loudness(this.now, this.at);
    }
    if (this.context?.state === "suspended") this.context.resume();
  }

  /** ReplayGain: an album's own balance while it plays in order, else each track by itself; never
      so loud that a peak is cut. */
  loudness(deck, at) {
    const track = this.list[at];
    if (!track) return;
    const beside = [this.list[at - 1], this.list[at + 1]];
    const album = track.albumGain != null && beside.some((one) => one?.albumId === track.albumId);
    const decibels = (album ? track.albumGain : track.gain) ?? 0;
    const peak = (album ? track.albumPeak : track.peak) || 1;
    const factor = Math.min(10 ** (decibels / 20), 1 / peak);
    const volume = this.muted ? 0 : this.volume ** 2;
    if (deck.node) {
      deck.node.gain.value = factor * volume;
      deck.audio.volume = 1;
    } else {
      deck.audio.volume = Math.min(1, factor * volume);
    }
  }

  setVolume(volume) {
    this.volume = Math.min(1, Math.max(0, volume));
    this.muted = false;
    this.turn();
  }

  mute() {
    this.muted = !this.muted;
    this.turn();
  }

  turn() {
    this.loudness(this.now, this.at);
    if (this.later.track) this.loudness(this.later, this.following());
    const silent = this.muted || !this.volume;
    $(".volume").value = this.muted ? 0 : this.volume * 100;
    $(".volume").style.setProperty("--done", `${$(".volume").value}%`);
    $("[data-do=mute]").setAttribute("aria-pressed", this.muted);
    $("[data-do=mute] use").setAttribute("href", ICONS + (silent ? "mute" : "sound"));
    this.changed();
  }

  seek(seconds) {
    if (!this.now.track) return;
    this.now.audio.currentTime = Math.min(Math.max(0, seconds), Math.max(0, this.seconds - 0.2));
    clearTimeout(this.handover);
    this.handover = 0;
    this.progress();
  }

  seekWhenReady(seconds) {
    const { audio } = this.now;
    if (!(seconds > 0)) return;
    if (audio.readyState >= 1) this.seek(seconds);
    else audio.addEventListener("loadedmetadata", () => this.seek(seconds), { once: true });
  }

  // What the elements say

  heard(name, deck) {
    if (deck !== this.now) return;
    if (name === "timeupdate") { this.progress(); this.prepare(); }
    if (name === "durationchange") this.progress();
    if (name === "ended") this.ended();
    if (name === "error" && deck.track) this.failed(deck);
    if (name === "playing") this.problem("");
    if (name === "play" || name === "pause") { this.show(); this.changed(); }
  }

  /** Fetch the next track, and start it in the moment in which this one ends. */
  prepare() {
    const left = this.seconds - this.now.audio.currentTime;
    const at = this.following();
    if (at < 0 || left > SOON) return;
    const next = this.list[at];
    if (this.later.track?.id !== next.id) {
      this.later.load(next);
      this.loudness(this.later, at);
    }
    if (left < 1.5 && !this.handover && Number.isFinite(this.now.audio.duration) && this.playing) {
      const deck = this.now;
      this.handover = setTimeout(() => {
        this.handover = 0;
        if (deck === this.now && this.playing && deck.audio.duration - deck.audio.currentTime < 0.2) this.next();
      }, Math.max(0, left * 1000 - 15));
    }
  }

  ended() {
    clearTimeout(this.handover);
    this.handover = 0;
    const at = this.following();
    if (at < 0) { this.show(); return; }
    this.ready(at);
    this.resume();
  }

  failed(deck) {
    const code = deck.audio.error?.code;
    if (code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED && !deck.smaller) {
      deck.load(deck.track, true); // the browser does not know this format: ask for one that all know
      this.resume();
      return;
    }
    this.problem(`“${deck.track.title}” cannot be played now.`);
    this.show();
  }

  problem(words) {
    const place = $(".problem");
    place.textContent = words;
    place.hidden = !words;
  }

  // What is seen

  show() {
    const track = this.current;
    bar.hidden = !track;
    document.body.classList.toggle("playing-here", Boolean(track));
    this.mark();
    if (!track) { document.querySelector(".brand .disc").classList.remove("turning"); return; }
    const picture = $(".now img");
    if (picture.getAttribute("src") !== track.cover) picture.src = track.cover;
    const title = $(".now .t");
    title.textContent = track.title;
    title.href = track.href;
    $(".now .a").textContent = [track.artist, track.album].filter(Boolean).join(" · ");
    const button = $("[data-do=toggle]");
    button.setAttribute("aria-label", this.playing ? "Pause" : "Play");
    button.querySelector("use").setAttribute("href", ICONS + (this.playing ? "pause" : "play"));
    document.querySelector(".brand .disc").classList.toggle("turning", this.playing);
    this.progress();
    this.announce();
  }

  /** Mark the track that plays in the lists of the page. */
  mark() {
    for (const row of document.querySelectorAll("main li[data-track]")) {
      const mine = JSON.parse(row.dataset.track).id === this.current?.id;
      row.classList.toggle("current", mine);
      const use = row.querySelector("[data-do=play] use");
      use?.setAttribute("href", ICONS + (mine && this.playing ? "pause" : "play"));
    }
  }

  progress() {
    const { currentTime } = this.now.audio;
    const seconds = this.seconds;
    const slider = $(".seek");
    if (!slider.dataset.held) {
      slider.value = seconds ? (1000 * currentTime) / seconds : 0;
      slider.style.setProperty("--done", `${slider.value / 10}%`);
    }
    slider.setAttribute("aria-valuetext", `${clock(currentTime)} of ${clock(seconds)}`);
    $(".at").textContent = clock(currentTime);
    $(".of").textContent = clock(seconds);
    if ("mediaSession" in navigator && seconds && currentTime <= seconds) {
      navigator.mediaSession.setPositionState?.({ duration: seconds, position: currentTime, playbackRate: 1 });
    }
    if (Math.abs(currentTime - (this.kept ?? -9)) > 5) { this.kept = currentTime; this.keep(); }
  }

  /** What the system shows of it, on the lock screen or beside the media keys. */
  announce() {
    if (!("mediaSession" in navigator)) return;
    const { title, artist, album, cover } = this.current;
    navigator.mediaSession.metadata = new MediaMetadata({
      title, artist, album, artwork: [{ src: cover, sizes: "300x300" }],
    });
    navigator.mediaSession.playbackState = this.playing ? "playing" : "paused";
  }

  wire() {
    const slider = $(".seek");
    slider.addEventListener("input", () => {
      slider.dataset.held = "yes";
      slider.style.setProperty("--done", `${slider.value / 10}%`);
    });
    slider.addEventListener("change", () => {
      delete slider.dataset.held;
      this.seek((slider.value / 1000) * this.seconds);
    });
    $(".volume").addEventListener("input", (event) => this.setVolume(event.target.value / 100));
    window.addEventListener("pagehide", () => this.keep());
    if (!("mediaSession" in navigator)) return;
    const media = {
      play: () => this.resume(),
      pause: () => this.now.audio.pause(),
      nexttrack: () => this.next(),
      previoustrack: () => this.previous(),
      seekbackward: (way) => this.seek(this.now.audio.currentTime - (way.seekOffset ?? 10)),
      seekforward: (way) => this.seek(this.now.audio.currentTime + (way.seekOffset ?? 10)),
      seekto: (way) => this.seek(way.seekTime),
    };
    for (const [name, deed] of Object.entries(media)) {
      try { navigator.mediaSession.setActionHandler(name, deed); } catch { /* not known here */ }
    }
  }

  // What lasts

  keep() {
    const { list, at, volume, muted, repeats } = this;
    save({ list, at, volume, muted, repeats, seconds: this.now.audio.currentTime || 0 });
  }

  restore() {
    const kept = load();
    if (!kept) return;
    Object.assign(this, { list: kept.list, at: kept.at, volume: kept.volume, muted: kept.muted, repeats: kept.repeats });
    this.press();
    if (this.current) {
      this.now.audio.preload = "metadata";
      this.now.load(this.current);
      this.now.audio.addEventListener("loadedmetadata", () => {
        if (kept.seconds < this.now.audio.duration - 2) this.now.audio.currentTime = kept.seconds;
      }, { once: true });
      this.loudness(this.now, this.at);
      this.show();
    }
    this.turn();
  }

  changed() {
    this.keep();
    for (const tell of this.listeners) tell();
  }
}

export const player = new Player();
