// A peer in JavaScript, from videoteca.proto and docs/protocol.md alone.
//
//   node peer.mjs serve --tracker HOST:PORT --name NAME --file PATH [--as NAME] [--grant BYTES]
//                       [--pieces 0,1,2]
//   node peer.mjs fetch --tracker HOST:PORT --name NAME --video NAME|ID --to PATH
//
// It prints what happens as one JSON object a line. `serve` runs until SIGTERM; with --pieces as a
// peer that is still downloading, and has these.
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { fetch } from "./fetch.mjs";
import { serve } from "./serve.mjs";

const text = { type: "string" };
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tracker: text,
    name: text,
    file: text,
    as: text,
    grant: text,
    pieces: text,
    video: text,
    to: text,
  },
});

const report = (event, fields = {}) => console.log(JSON.stringify({ event, ...fields }));

const [, host, port] = /^\[?([^\]]*)\]?:(\d+)$/.exec(values.tracker);
const common = { host, port: Number(port), name: values.name, report };

try {
  if (positionals[0] === "serve") {
    const { file, as = basename(file), grant = "268435456" } = values;
    const pieces = values.pieces?.split(",").map(Number);
    await serve({ ...common, file, as, grant: BigInt(grant), pieces });
  } else {
    await fetch({ ...common, video: values.video, to: values.to });
  }
} catch (error) {
  report("failed", { message: error.details ?? error.message, reason: error.reason, code: error.code });
  process.exitCode = 1;
}
