// docs/protocol.md in JavaScript: pieces, ids, digests and proofs. No network here.
import { blake3 } from "@noble/hashes/blake3";
import { hmac } from "@noble/hashes/hmac";
import { sha256 } from "@noble/hashes/sha256";
import { bytesToHex, concatBytes, utf8ToBytes } from "@noble/hashes/utils";

const MIN_PIECE_BYTES = 1n << 20n;
const MAX_PIECES = 16_384n;

/** The piece size, as a BigInt, of a video of `size` bytes (a BigInt). */
export function pieceSize(size) {
  let piece = MIN_PIECE_BYTES;
  while (piece * MAX_PIECES < size) piece *= 2n;
  return piece;
}

export const digest = (bytes) => blake3(bytes);
export const hex = bytesToHex;

function u64(number) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, number, true);
  return bytes;
}

/** The id of a video of `size` bytes (a BigInt) with that pieces root. */
export function videoId(size, piecesRoot) {
  const tag = utf8ToBytes("videoteca video id v1\n");
  return hex(digest(concatBytes(tag, u64(size), u64(pieceSize(size)), piecesRoot)));
}

/** The manifest of a whole video in memory. */
export function manifestOf(content) {
  const size = BigInt(content.length);
  const step = Number(pieceSize(size));
  const digests = [];
  for (let at = 0; at < content.length; at += step) {
    digests.push(digest(content.subarray(at, at + step)));
  }
  return manifest(size, concatBytes(...digests));
}

/** How many pieces a video has. */
export const pieceCount = ({ size, pieceSize: piece }) => Number((size + piece - 1n) / piece);

/** Pieces of a video of `count` as a bitmap. */
export function bitmapOf(pieces, count) {
  const bitmap = new Uint8Array(Math.ceil(count / 8));
  for (const piece of pieces) bitmap[piece >> 3] |= 1 << (piece & 7);
  return bitmap;
}

/** The pieces in a bitmap; undefined when it is not one of `count` pieces. */
export function piecesIn(bitmap, count) {
  if (bitmap.length !== Math.ceil(count / 8)) return undefined;
  const pieces = Array.from({ length: 8 * bitmap.length }, (_, piece) => piece).filter(
    (piece) => bitmap[piece >> 3] & (1 << (piece & 7)),
  );
  return pieces.every((piece) => piece < count) ? pieces : undefined;
}

/** Neighbouring pieces together: `[first, end]` of each run, the end not included. */
export function runsOf(pieces) {
  const runs = [];
  for (const piece of pieces) {
    const last = runs.at(-1);
    if (last?.[1] === piece) last[1] = piece + 1;
    else runs.push([piece, piece + 1]);
  }
  return runs;
}

/** A manifest, and the id that follows from it. */
export function manifest(size, pieceDigests) {
  const piecesRoot = digest(pieceDigests);
  return {
    size,
    pieceSize: pieceSize(size),
    pieceDigests,
    piecesRoot,
    videoId: videoId(size, piecesRoot),
  };
}

/** The digest of holdings `{name, videoId, state}`, state being "complete" or "partial". */
export function holdingsDigest(holdings) {
  const total = new Uint8Array(32);
  for (const { name, videoId: id, state } of holdings) {
    const one = digest(utf8ToBytes(`${id}\n${state}\n${name}`));
    for (let i = 0; i < total.length; i++) total[i] ^= one[i];
  }
  return total;
}

/** HOST:PORT, an IPv6 host in brackets. */
export const address = (host, port) => (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`);

/** The answer to a challenge for a name at an address. */
export function proof(instanceKey, challenge, name, host, port) {
  const said = `videoteca identify v1\n${hex(challenge)}\n${address(host, port)}\n${name}`;
  return hmac(sha256, instanceKey, utf8ToBytes(said));
}
