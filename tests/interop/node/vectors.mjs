// Prints the computed part of tests/vectors/protocol.json.
import { hexToBytes } from "@noble/hashes/utils";
import {
  bitmapOf,
  hex,
  holdingsDigest,
  manifest,
  manifestOf,
  pieceSize,
  proof,
  videoId,
} from "./protocol.mjs";

const MIB = 1 << 20;

function content(size) {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * i) % 251;
  return bytes;
}

function video(size) {
  const { pieceSize: piece, pieceDigests, piecesRoot, videoId: id } = manifestOf(content(size));
  const digests = [];
  for (let at = 0; at < pieceDigests.length; at += 32) digests.push(hex(pieceDigests.subarray(at, at + 32)));
  return {
    size_bytes: String(size),
    piece_size_bytes: String(piece),
    piece_digests: digests,
    pieces_root: hex(piecesRoot),
    video_id: id,
  };
}

const ROOT = Uint8Array.from({ length: 32 }, (_, i) => i);

function bigVideo(size) {
  return {
    size_bytes: String(size),
    piece_size_bytes: String(pieceSize(size)),
    pieces_root: hex(ROOT),
    video_id: videoId(size, ROOT),
  };
}

const EMPTY = manifest(0n, new Uint8Array()).videoId;
const ONE = manifestOf(content(1)).videoId;
const HOLDINGS = [
  { name: "clip.mp4", videoId: ONE, state: "complete" },
  { name: "Canción de año nuevo.mkv", videoId: EMPTY, state: "complete" },
  { name: "clip (2).mp4", videoId: ONE, state: "partial" },
];

function holdings(list) {
  return {
    holdings: list.map(({ name, videoId: id, state }) => ({ name, video_id: id, state })),
    holdings_digest: hex(holdingsDigest(list)),
  };
}

function bitmap(count, pieces) {
  return { piece_count: count, pieces, bitmap: hex(bitmapOf(pieces, count)) };
}

function proved(key, challenge, name, host, port) {
  return {
    instance_key: key,
    challenge,
    name,
    host,
    port,
    proof: hex(proof(hexToBytes(key), hexToBytes(challenge), name, host, port)),
  };
}

const KEY = "0b".repeat(32);
const CHALLENGE = hex(Uint8Array.from({ length: 32 }, (_, i) => 255 - i));

console.log(
  JSON.stringify(
    {
      videos: [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB].map(video),
      big_videos: [
        1n << 34n,
        (1n << 34n) + 1n,
        1n << 35n,
        (1n << 35n) + 1n,
        (1n << 63n) - 1n,
      ].map(bigVideo),
      holdings: [[], HOLDINGS.slice(0, 1), HOLDINGS, HOLDINGS.slice().reverse()].map(holdings),
      bitmaps: [
        bitmap(0, []),
        bitmap(1, [0]),
        bitmap(8, []),
        bitmap(8, [0, 1, 7]),
        bitmap(9, [8]),
        bitmap(20, [0, 3, 8, 17, 19]),
      ],
      proofs: [
        proved(KEY, CHALLENGE, "ana", "192.0.2.7", 1030),
        proved(KEY, CHALLENGE, "ana", "192.0.2.7", 1031),
        proved(KEY, CHALLENGE, "Íñigo de la Peña", "2001:db8::1:0:0:7", 65535),
      ],
    },
    null,
    2,
  ),
);
