// The queue in the browser's own storage. What lies there may be of an older version, or nonsense.

const NAME = "longplay.queue";
const MOST = 1000; // tracks that are kept: some 400 kB

const isTrack = (one) => one && typeof one === "object" && typeof one.id === "string" && typeof one.title === "string"
  && /^\/api\/recordings\/[a-z0-9]+\/stream$/.test(one.src) && /^\/[a-z]+\/[a-z0-9]+$/.test(one.href) && /^\/covers\//.test(one.cover);

export function save(state) {
  const from = Math.max(0, Math.min(state.at - 100, state.list.length - MOST));
  const list = state.list.slice(from, from + MOST);
  try {
    localStorage.setItem(NAME, JSON.stringify({ ...state, list, at: state.at - from }));
  } catch { /* full, or forbidden: it lasts as long as the page */ }
}

export function load() {
  try {
    const kept = JSON.parse(localStorage.getItem(NAME));
    if (!kept || !Array.isArray(kept.list) || !kept.list.every(isTrack)) return null;
    const at = Number.isInteger(kept.at) && kept.at < kept.list.length ? kept.at : -1;
    const volume = kept.volume >= 0 && kept.volume <= 1 ? kept.volume : 1;
    return { list: kept.list, at, volume, muted: kept.muted === true, repeats: kept.repeats === true, seconds: Number(kept.seconds) || 0 };
  } catch {
    return null;
  }
}
