// Registers at a tracker, publishes one file and serves it until it is told to stop.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { concatBytes } from "@noble/hashes/utils";
import {
  bitmapOf,
  digest,
  hex,
  holdingsDigest,
  manifest,
  pieceCount,
  pieceSize,
  proof,
  runsOf,
} from "./protocol.mjs";
import { ask, failure, grpc, MAX_CHUNK_BYTES, peerService, status, trackerAt } from "./rpc.mjs";

const HOST = "127.0.0.1";
const SLOTS = 8;

/** A file that is shared under a name, as it was when it was hashed: all its pieces, or some. */
class SharedFile {
  static async hashed(path, name, pieces) {
    const file = new SharedFile();
    file.path = path;
    file.name = name.normalize("NFC");
    const handle = await open(path);
    try {
      file.version = await versionOf(handle);
      const size = file.version.size;
      const step = Number(pieceSize(size));
      const digests = [];
      for (let at = 0; at < size; at += step) digests.push(digest(await read(handle, at, step)));
      file.manifest = manifest(size, concatBytes(...digests));
      file.pieces = pieces ?? [...digests.keys()];
    } finally {
      await handle.close();
    }
    return file;
  }

  get isComplete() {
    return this.pieces.length === pieceCount(this.manifest);
  }

  /** How many bytes are there from an offset on without a gap. */
  bytesFrom(offset) {
    const { size, pieceSize: piece } = this.manifest;
    const at = Number(offset / piece);
    const [, end] = runsOf(this.pieces).find(([first, end]) => first <= at && at < end) ?? [];
    if (end === undefined) {
      const fields = { name: this.name, piece: String(at) };
      throw failure(status.FAILED_PRECONDITION, "PIECE_MISSING", "It is not here yet.", fields);
    }
    return (BigInt(end) * piece < size ? BigInt(end) * piece : size) - offset;
  }

  /** The bytes of a range, chunk by chunk; FILE_CHANGED when they are no longer what was hashed. */
  async *chunks(offset, length) {
    const handle = await open(this.path);
    try {
      for (let at = offset; at < offset + length; at += MAX_CHUNK_BYTES) {
        const chunk = await read(handle, at, Math.min(MAX_CHUNK_BYTES, offset + length - at));
        const { size, mtimeNs } = await versionOf(handle);
        if (size !== this.version.size || mtimeNs !== this.version.mtimeNs) {
          throw failure(status.ABORTED, "FILE_CHANGED", `${this.name} changed.`, { name: this.name });
        }
        yield chunk;
      }
    } finally {
      await handle.close();
    }
  }
}

const versionOf = async (handle) => handle.stat({ bigint: true });

async function read(handle, offset, length) {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset);
  return buffer.subarray(0, bytesRead);
}

/** The Peer service for one shared file; `maxGrant` bytes at most are granted to one call. */
function service(file, identity, maxGrant) {
  let streams = 0;
  const watching = new Set();

  function find(request) {
    const { videoId } = file.manifest;
    if (request.video === "video_id" && !/^[0-9a-f]{64}$/.test(request.video_id)) {
      const fields = { video_id: request.video_id };
      throw failure(status.INVALID_ARGUMENT, "INVALID_VIDEO_ID", "Not a video id.", fields);
    }
    const asked = request.video === "name" ? request.name.normalize("NFC") : request.video_id;
    if (![videoId, file.name].includes(asked)) {
      throw failure(status.NOT_FOUND, "VIDEO_UNKNOWN", "There is no such video.", { video: asked });
    }
    return file.manifest;
  }

  function range({ offset_bytes, length_bytes }, { size, pieceSize: piece }) {
    const offset = BigInt(offset_bytes);
    const asked = length_bytes === undefined ? size : BigInt(length_bytes);
    if (offset < 0n || asked < 0n) {
      const fields = { field: offset < 0n ? "offset_bytes" : "length_bytes", problem: "negative" };
      throw failure(status.INVALID_ARGUMENT, "INVALID_REQUEST", "It is negative.", fields);
    }
    if (offset > size) {
      const fields = { offset_bytes: String(offset), size_bytes: String(size) };
      throw failure(status.OUT_OF_RANGE, "OFFSET_OUT_OF_RANGE", "Beyond the end.", fields);
    }
    let wanted = asked < size - offset ? asked : size - offset;
    if (wanted > 0n) {
      const there = file.bytesFrom(offset);
      if (there < wanted) wanted = there;
    }
    const most = maxGrant > piece ? maxGrant : piece;
    const granted = wanted <= most ? wanted : ((offset + most) / piece) * piece - offset;
    return { offset, granted };
  }

  async function stream(call) {
    if (streams >= SLOTS) {
      const fields = { retry_after_seconds: "1" };
      throw failure(status.RESOURCE_EXHAUSTED, "NO_UPLOAD_SLOT", "All slots are taken.", fields);
    }
    const found = find(call.request);
    const { offset, granted } = range(call.request, found);
    const cancelled = new AbortController();
    call.on("cancelled", () => cancelled.abort());
    const send = async (message) =>
      call.write(message) || (await once(call, "drain", { signal: cancelled.signal }));
    streams += 1;
    try {
      await send({
        header: {
          size_bytes: String(found.size),
          video_id: found.videoId,
          piece_size_bytes: String(found.pieceSize),
          offset_bytes: String(offset),
          granted_bytes: String(granted),
        },
      });
      for await (const chunk of file.chunks(Number(offset), Number(granted))) await send({ chunk });
      call.end();
    } finally {
      streams -= 1;
    }
  }

  function watch(call) {
    find({ video: "video_id", ...call.request });
    call.write({ bitmap: bitmapOf(file.pieces, pieceCount(file.manifest)) });
    if (file.isComplete) {
      call.end();
      return;
    }
    watching.add(call);
    call.on("cancelled", () => watching.delete(call));
  }

  function endWatching() {
    const fields = { video: file.manifest.videoId };
    for (const call of watching) {
      call.emit("error", failure(status.NOT_FOUND, "VIDEO_UNKNOWN", "Not any more.", fields));
    }
  }

  const methods = {
    FetchVideo: (call) => stream(call).catch((error) => call.cancelled || call.emit("error", error)),

    WatchPieces: (call) => {
      try {
        watch(call);
      } catch (error) {
        call.emit("error", error);
      }
    },

    GetManifest: answering((request) => {
      const found = find(request);
      return {
        video_id: found.videoId,
        size_bytes: String(found.size),
        piece_size_bytes: String(found.pieceSize),
        piece_digests: found.pieceDigests,
      };
    }),

    Identify: answering(({ challenge, name, endpoint }) => {
      if (challenge.length !== 32) {
        const fields = { field: "challenge", problem: "not 32 bytes" };
        throw failure(status.INVALID_ARGUMENT, "INVALID_REQUEST", "Not 32 bytes.", fields);
      }
      if (name !== identity.name || endpoint?.port !== identity.port) {
        throw failure(status.FAILED_PRECONDITION, "NOT_THIS_PEER", "Not this peer.", { name });
      }
      return { proof: proof(identity.instanceKey, challenge, name, endpoint.host, endpoint.port) };
    }),
  };
  return { methods, endWatching };
}

/** A handler of calls that are answered once, from a function of the request. */
const answering = (answer) => (call, callback) => {
  try {
    callback(null, answer(call.request));
  } catch (error) {
    callback(error);
  }
};

/** Keeps a registration: renews the lease, publishes anew when the tracker holds something else. */
class Registration {
  constructor(tracker, identity, file, report) {
    Object.assign(this, { tracker, identity, file, report, trackerId: "" });
  }

  async renew() {
    const { name, port, instanceKey } = this.identity;
    const lease = await ask(this.tracker, "Register", {
      name,
      port,
      instance_key: instanceKey,
      tracker_id: this.trackerId,
    });
    this.trackerId = lease.tracker_id;
    this.report("registered", { reachability: lease.reachability, peer_id: lease.peer_id });
    if (hex(lease.holdings_digest) !== this.ownDigest()) await this.publish();
    const seconds = lease.reachability === "REACHABILITY_PROVED" ? lease.lease_seconds / 3 : 0.2;
    this.timer = setTimeout(() => this.renewOrRetry(), seconds * 1000);
  }

  async renewOrRetry() {
    try {
      await this.renew();
    } catch (error) {
      this.report("trouble", { message: error.message, reason: error.reason });
      this.timer = setTimeout(() => this.renewOrRetry(), 500);
    }
  }

  ownDigest() {
    const { name, manifest: shared } = this.file;
    const state = this.file.isComplete ? "complete" : "partial";
    return hex(holdingsDigest([{ name, videoId: shared.videoId, state }]));
  }

  async publish() {
    const { name, manifest: shared } = this.file;
    const holding = {
      name,
      video_id: shared.videoId,
      size_bytes: String(shared.size),
      pieces_root: shared.piecesRoot,
      state: this.file.isComplete ? "HOLDING_STATE_COMPLETE" : "HOLDING_STATE_PARTIAL",
    };
    const answer = await ask(this.tracker, "Publish", { holdings: [holding], replaces_all: true });
    const agreed = hex(answer.holdings_digest) === this.ownDigest();
    this.report("published", { video_id: shared.videoId, agreed });
  }

  async leave() {
    clearTimeout(this.timer);
    await ask(this.tracker, "Leave", {});
    this.tracker.close();
  }
}

/** Serve a file, or some pieces of it, until SIGTERM. */
export async function serve({ host, port: trackerPort, name, file: path, as, grant, pieces, report }) {
  const file = await SharedFile.hashed(path, as, pieces);
  const server = new grpc.Server();
  const identity = { name: name.normalize("NFC"), instanceKey: randomBytes(32) };
  const { methods, endWatching } = service(file, identity, grant);
  server.addService(peerService, methods);
  identity.port = await new Promise((resolve, reject) =>
    server.bindAsync(`${HOST}:0`, grpc.ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    ),
  );
  report("serving", { port: identity.port, video_id: file.manifest.videoId });

  const tracker = trackerAt(host, trackerPort, randomBytes(32).toString("hex"));
  const registration = new Registration(tracker, identity, file, report);
  await registration.renew();

  await once(process, "SIGTERM");
  await registration.leave();
  endWatching();
  await new Promise((resolve) => server.tryShutdown(resolve));
  report("left");
}
