// Locates a video, fetches it from its sources and believes nothing but its id.
import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { digest, hex, manifest } from "./protocol.mjs";
import { ask, explained, MAX_CHUNK_BYTES, peerAt, trackerAt } from "./rpc.mjs";

const STALL_MILLISECONDS = 20_000;

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
  const pieces = (found.size + found.pieceSize - 1n) / found.pieceSize;
  must(BigInt(answer.piece_digests.length) === 32n * pieces, "a wrong number of digests");
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

function checkHeader(message, video, offset) {
  must(message.part === "header", "no header");
  const { header } = message;
  const granted = BigInt(header.granted_bytes);
  const end = offset + granted;
  must(header.video_id === video.videoId, "another video");
  must(BigInt(header.size_bytes) === video.size, "another size");
  must(BigInt(header.piece_size_bytes) === video.pieceSize, "another piece size");
  must(BigInt(header.offset_bytes) === offset, "another offset");
  must(granted > 0n || offset === video.size, "nothing granted");
  must(end === video.size || (end < video.size && end % video.pieceSize === 0n), "an odd grant");
  return granted;
}

/** One call: the pieces from `offset` (at a piece boundary), each with its digest right. */
async function* pieces(peer, video, offset) {
  const step = Number(video.pieceSize);
  let granted;
  let piece = Buffer.alloc(0);
  for await (const message of messages(peer, { video_id: video.videoId, offset_bytes: String(offset) })) {
    if (granted === undefined) {
      granted = checkHeader(message, video, offset);
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
      yield { at: Number(offset), bytes: whole };
      offset += BigInt(whole.length);
    }
  }
  must(granted === 0n, "less than it granted");
}

/** Fetch the whole video from one source into a file. */
async function fetchFrom({ host, port }, videoId, to) {
  const peer = peerAt(host, port);
  const file = await open(to, "w");
  try {
    const video = await manifestFrom(peer, videoId);
    let offset = 0n;
    let calls = 0;
    do {
      calls += 1;
      for await (const { at, bytes } of pieces(peer, video, offset)) {
        await file.write(bytes, 0, bytes.length, at);
        offset += BigInt(bytes.length);
      }
    } while (offset < video.size);
    return { video_id: videoId, size_bytes: String(video.size), calls };
  } finally {
    await file.close();
    peer.close();
  }
}

/** Fetch a video by name or id. */
export async function fetch({ host, port, name, video, to, report }) {
  const tracker = trackerAt(host, port, randomBytes(32).toString("hex"));
  try {
    await ask(tracker, "Register", { name });
    const found = await locate(tracker, video);
    report("located", { video_id: found.video_id, sources: found.sources.length });
    for (const source of found.sources) {
      try {
        report("fetched", await fetchFrom(source.endpoints[0], found.video_id, to));
        return;
      } catch (error) {
        report("trouble", { source: source.peer_name, message: error.message, reason: error.reason });
      }
    }
    throw new Error(`no source has ${video} now`);
  } finally {
    tracker.close();
  }
}
