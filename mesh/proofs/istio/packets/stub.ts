/**
 * A gRPC server that answers as it is told, behind an Envoy: `bun stub.ts PORT`. The header x-stub
 * of a call, or else the last line on stdin, names the answer. Each call it executes is a line on
 * stdout.
 */
import { createServer, type ServerHttp2Stream } from "node:http2";
import { createInterface } from "node:readline";
import { type StubAnswer, stubHeader } from "./agent-protocol.ts";

const grpc = "application/grpc";
/** A message of no bytes, in gRPC's frame of five. */
const emptyMessage = Buffer.alloc(5);

/** What each answer is on the wire. UNAVAILABLE is 14, RESOURCE_EXHAUSTED is 8. */
const failures: Readonly<Record<Exclude<StubAnswer, "ok" | "unavailable-late">, object>> = {
  unavailable: { ":status": 200, "content-type": grpc, "grpc-status": "14" },
  exhausted: { ":status": 200, "content-type": grpc, "grpc-status": "8" },
  "http-503": { ":status": 503 },
  "http-429": { ":status": 429 },
};

function main(port: number): void {
  let usual: StubAnswer = "ok";
  const server = createServer();
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    process.stdout.write(`executed ${String(headers[":path"])}\n`);
    // What a caller of ours writes, or what rig.ts does.
    const answer = (headers[stubHeader] ?? usual) as StubAnswer;
    if (answer !== "ok" && answer !== "unavailable-late") {
      // Headers that end the stream: a failure without metadata before it, which may be retried.
      stream.respond({ ...failures[answer] }, { endStream: true });
      return;
    }
    stream.on("wantTrailers", () => {
      stream.sendTrailers({ "grpc-status": answer === "ok" ? "0" : "14" });
    });
    stream.respond({ ":status": 200, "content-type": grpc }, { waitForTrailers: true });
    stream.end(answer === "ok" ? emptyMessage : undefined);
  });
  server.listen(port, "0.0.0.0", () => process.stdout.write("ready\n"));
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    usual = line as StubAnswer;
  });
  lines.on("close", () => process.exit(0));
}

if (import.meta.main) {
  main(Number(process.argv[2]));
}
