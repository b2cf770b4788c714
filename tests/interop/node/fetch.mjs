// Locates a video, fetches it from its sources and believes nothing but its id.
import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { digest, hex, manifest, pieceCount, piecesIn, runsOf } from "./protocol.mjs";
import { ask, explained, MAX_CHUNK_BYTES, peerAt, trackerAt } from "./rpc.mjs";

const STALL_MILLISECONDS = 5_000;

function must(condition, problem) {
  if (!condition) throw new Error(`bad source: ${problem}`);
}

/** The one content that a name or an id means. */
async function locate(tracker, video) {
  const isId = /^[0-9a-f]{64}$/.test(video);
  const { videos } = await ask(tracker, "Locate", isId ? { video_id: video } : { name: video });
  if (videos.length !== 1) {
    const ids = videos.map(({ video_id }) => video_id).join(", ");
    throw new Error(`${video} means several videos: ${ids}`);
  }
  return videos[0];
}

/** The manifest of a video, checked against its id. */
async function manifestFrom(peer, videoId) {
  const answer = await ask(peer, "GetManifest", { video_id: videoId });
  const found = manifest(BigInt(answer.size_bytes), answer.piece_digests);
  must(found.videoId === videoId, "a manifest of another video");
  must(BigInt(answer.piece_size_bytes) === found.pieceSize, "a wrong piece size");
  must(answer.piece_digests.length === 32 * pieceCount(found), "a wrong number of digests");
  return found;
}

/** The messages of one FetchVideo call; cancelled when nothing comes for too long. */
async function* messages(peer, request) {
  const call = peer.FetchVideo(request);
  call.on("error", () => {}); // of the cancellation below; others come out of the loop
  const watchdog = setTimeout(() => call.cancel(), STALL_MILLISECONDS);
  try {
    for await (const message of call) {
      watchdog.refresh();
      yield message;
    }
  } catch (error) {
    throw explained(error);
  } finally {
    clearTimeout(watchdog);
    call.cancel();
  }
}

/** The pieces that a peer has, as arrays: all at once, and then the new ones until it has all. */
async function* piecesAt(peer, video) {
  const count = pieceCount(video);
  const call = peer.WatchPieces({ video_id: video.videoId });
  call.on("error", () => {}); // as above
  try {
    for await (const { news, bitmap, added } of call) {
      const pieces = news === "bitmap" ? piecesIn(bitmap, count) : added?.numbers;
      must(pieces?.every((piece) => piece >= 0 && piece < count), "pieces that are none");
      yield pieces;
    }
  } catch (error) {
    throw explained(error);
  } finally {
    call.cancel();
  }
}

function checkHeader(message, video, offset, last) {
  must(message.part === "header", "no header");
  const { header } = message;
  const granted = BigInt(header.granted_bytes);
  const end = offset + granted;
  must(header.video_id === video.videoId, "another video");
  must(BigInt(header.size_bytes) === video.size, "another size");
  must(BigInt(header.piece_size_bytes) === video.pieceSize, "another piece size");
  must(BigInt(header.offset_bytes) === offset, "another offset");
  must(granted > 0n, "nothing granted");
  must(end === last || (end < last && end % video.pieceSize === 0n), "an odd grant");
  return granted;
}

/** One call: the pieces from `offset` on (at a piece boundary), each with its digest right. */
async function* pieces(peer, video, offset, end) {
  const step = Number(video.pieceSize);
  let granted;
  let piece = Buffer.alloc(0);
  const range = { offset_bytes: String(offset), length_bytes: String(end - offset) };
  for await (const message of messages(peer, { video_id: video.videoId, ...range })) {
    if (granted === undefined) {
      granted = checkHeader(message, video, offset, end);
      continue;
    }
    must(message.part === "chunk", "a second header");
    must(message.chunk.length > 0 && message.chunk.length <= MAX_CHUNK_BYTES, "an odd chunk");
    granted -= BigInt(message.chunk.length);
    must(granted >= 0n, "more than it granted");
    piece = Buffer.concat([piece, message.chunk]);
    while (piece.length >= step || (granted === 0n && piece.length > 0)) {
      const whole = piece.subarray(0, step);
      piece = piece.subarray(step);
      const index = Number(offset / video.pieceSize);
      const expected = video.pieceDigests.subarray(32 * index, 32 * index + 32);
      must(hex(digest(whole)) === hex(expected), `piece ${index} has another digest`);
      yield { index, at: Number(offset), bytes: whole };
      offset += BigInt(whole.length);
    }
  }
  must(granted === 0n, "less than it granted");
}

/** A video on its way into a file, from one source after the other. */
class Download {
  constructor(videoId, file) {
    Object.assign(this, { videoId, file, calls: 0, missing: undefined });
  }

  /** Fetch from a source what is missing, as far as it has that or gets it. */
  async from({ state, endpoints: [{ host, port }] }) {
    const peer = peerAt(host, port);
    try {
      const video = await manifestFrom(peer, this.videoId);
      this.missing ??= new Set(Array(pieceCount(video)).keys());
      const has = state === "HOLDING_STATE_PARTIAL" ? piecesAt(peer, video) : [[...this.missing]];
      for await (const there of has) await this.fetch(peer, video, there);
      return video;
    } finally {
      peer.close();
    }
  }

  async fetch(peer, video, there) {
    const step = video.pieceSize;
    for (const [first, last] of runsOf(there.filter((piece) => this.missing.has(piece)))) {
      let offset = BigInt(first) * step;
      const end = BigInt(last) * step < video.size ? BigInt(last) * step : video.size;
      while (offset < end) {
        this.calls += 1;
        for await (const { index, at, bytes } of pieces(peer, video, offset, end)) {
          await this.file.write(bytes, 0, bytes.length, at);
          this.missing.delete(index);
          offset += BigInt(bytes.length);
        }
      }
    }
  }
}

/** Fetch a video by name or id. */
export async function fetch({ host, port, name, video, to, report }) {
  const tracker = trackerAt(host, port, randomBytes(32).toString("hex"));
  const file = await open(to, "w");
  try {
    await ask(tracker, "Register", { name });
    const found = await locate(tracker, video);
    report("located", { video_id: found.video_id, sources: found.sources.length });
    const download = new Download(found.video_id, file);
    for (const source of found.sources) {
      try {
        const { videoId, size } = await download.from(source);
        if (download.missing.size > 0) continue;
        report("fetched", { video_id: videoId, size_bytes: String(size), calls: download.calls });
        return;
      } catch (error) {
        report("trouble", { source: source.peer_name, message: error.message, reason: error.reason });
      }
    }
    throw new Error(`no source has ${video} now`);
  } finally {
    await file.close();
    tracker.close();
  }
}
