// Calls everything that the published client `subsonic-api` has, and prints what came of each.
import { pathToFileURL } from "node:url";

const [module, url, username, password] = process.argv.slice(2);
const { default: SubsonicAPI } = await import(pathToFileURL(module).href);
const walk = async (post) => {
  const api = new SubsonicAPI({ url, auth: { username, password }, post });
  const { song } = (await api.search3({ query: "" })).searchResult3;
  const { id, albumId, artistId, artist, title, coverArt } = song.find((one) => one.title === "Piece");
  const made = await api.createPlaylist({ name: "From Node", songId: [id, song[0].id] });
  const playlist = made.playlist.id;
  const arguments_ = {
    getAlbum: { id: albumId }, getAlbumInfo: { id: albumId }, getAlbumInfo2: { id: albumId },
    getArtist: { id: artistId }, getArtistInfo: { id: artistId }, getArtistInfo2: { id: artistId },
    getMusicDirectory: { id: artistId }, getSong: { id }, getSimilarSongs: { id: artistId },
    getSimilarSongs2: { id: artistId }, getTopSongs: { artist }, getAlbumList: { type: "newest" },
    getAlbumList2: { type: "random" }, getSongsByGenre: { genre: "Folk" },
    search2: { query: "piece" }, search3: { query: "piece" }, getPlaylist: { id: playlist },
    createPlaylist: { playlistId: playlist, songId: [id] }, updatePlaylist: { playlistId: playlist, public: true },
    deletePlaylist: { id: playlist }, stream: { id }, download: { id }, hls: { id }, getAvatar: { username },
    reportPlayback: { mediaId: id, mediaType: "song", positionMs: 1, state: "playing" }, getLyrics: { artist, title },
    getLyricsBySongId: { id }, getCoverArt: { id: coverArt }, star: { id }, unstar: { id }, setRating: { id, rating: 3 },
    scrobble: { id }, createBookmark: { id, position: 1 }, deleteBookmark: { id },
    savePlayQueue: { id: [id], current: id }, getUser: { username },
    createUser: { username: "node", password: "a long password", email: "a@b.example" },
    updateUser: { username: "node", adminRole: false }, changePassword: { username: "node", password: "another one" },
    deleteUser: { username: "node" },
  };
  const skipped = ["constructor", "navidromeSession", "custom", "customJSON", "baseURL"];
  const names = Object.getOwnPropertyNames(SubsonicAPI.prototype).filter((one) => !skipped.includes(one));
  const last = ["deletePlaylist", "deleteUser", "deleteBookmark", "unstar"];
  const first = ["createUser", "createBookmark", "star"];
  const place = (name) => (first.includes(name) ? 0 : last.includes(name) ? 2 : 1);
  for (const name of names.sort((a, b) => place(a) - place(b))) {
    const answer = await api[name](arguments_[name] ?? { id: "1" });
    const outcome = answer instanceof Response ? answer.headers.get("content-type") : answer.status;
    console.log(JSON.stringify({ name, post, outcome, code: answer.error?.code }));
  }
};
await walk(false);
await walk(true);
