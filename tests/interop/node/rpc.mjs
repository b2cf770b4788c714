// The .proto as clients and services, and errors as docs/protocol.md has them.
import { isIPv4, isIPv6 } from "node:net";
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const { status } = grpc;

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const load = (file, folder) =>
  protoLoader.loadSync(file, {
    includeDirs: [here(folder)],
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
  });

const { Tracker, Peer } = grpc.loadPackageDefinition(
  load("videoteca/v1/videoteca.proto", "../../../protos"),
).videoteca.v1;
const serialisers = load("status.proto", ".")["google.rpc.Serialisers"].Use;

export const peerService = Peer.service;
export const MAX_CHUNK_BYTES = 1 << 20;

const OPTIONS = { "grpc.enable_http_proxy": 0 };

/** A gRPC target, from an IP literal and a port only. */
function target(host, port) {
  if (isIPv4(host)) return `ipv4:${host}:${port}`;
  if (isIPv6(host) && !host.includes("%")) return `ipv6:[${host}]:${port}`;
  throw new Error(`not an IP literal: ${host}`);
}

/** A peer, to be asked; close it in the end. */
export const peerAt = (host, port) =>
  new Peer(target(host, port), grpc.credentials.createInsecure(), OPTIONS);

/** A tracker, to be asked with that token; close it in the end. */
export function trackerAt(host, port, token) {
  const client = new Tracker(target(host, port), grpc.credentials.createInsecure(), OPTIONS);
  client.token = token;
  return client;
}

/** Call a method that answers once, within 10 seconds. */
export function ask(client, method, request) {
  const metadata = new grpc.Metadata();
  if (client.token) metadata.set("authorization", `Bearer ${client.token}`);
  return new Promise((resolve, reject) => {
    const options = { deadline: Date.now() + 10_000 };
    client[method](request, metadata, options, (error, answer) =>
      error ? reject(explained(error)) : resolve(answer),
    );
  });
}

/** An error of a call, with the reason and the fields that its details tell. */
export function explained(error) {
  const [bytes] = error.metadata?.get("grpc-status-details-bin") ?? [];
  if (!bytes) return error;
  for (const detail of serialisers.requestDeserialize(bytes).details) {
    if (!detail.type_url.endsWith("/google.rpc.ErrorInfo")) continue;
    const info = serialisers.responseDeserialize(detail.value);
    if (info.domain === "videoteca") Object.assign(error, { reason: info.reason, fields: info.metadata });
  }
  return error;
}

/** An error to answer a call with. */
export function failure(code, reason, message, fields = {}) {
  const info = serialisers.responseSerialize({ reason, domain: "videoteca", metadata: fields });
  const type = "type.googleapis.com/google.rpc.ErrorInfo";
  const details = { code, message, details: [{ type_url: type, value: info }] };
  const metadata = new grpc.Metadata();
  metadata.set("grpc-status-details-bin", serialisers.requestSerialize(details));
  return Object.assign(new Error(message), { code, details: message, metadata });
}

export { grpc, status };
