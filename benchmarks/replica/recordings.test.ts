/**
 * Goal: a client of a real vLLM cannot tell the replica apart by the shape of its answers.
 * Method: replay each recorded request and compare status, header names, and the paths and types of
 * every JSON value; refusals must agree to the letter.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseRecording, type Recording, shapeOf, valuesOf } from "./recording.ts";
import { createReplica, zeroLatency } from "./replica.ts";

const folder = join(import.meta.dir, "testdata");
const files = readdirSync(folder).filter((name) => name.endsWith(".http"));

/** Paths that only the replica has, each with its reason. */
const additions: Readonly<Record<string, { paths: readonly string[]; why: string }>> = {
  "version.http": { paths: ["simulated: boolean"], why: "says that it is simulated" },
};

/** Requests that need other numbers to get into the recorded situation. */
const changedRequests: Readonly<Record<string, { from: string; to: string; why: string }>> = {
  "chat-tools-required.http": {
    from: '"max_tokens": 200',
    to: '"max_tokens": 12',
    why: "the recorded call was cut by max_tokens; the script's is shorter",
  },
  "chat-tools-required-stream.http": {
    from: '"max_tokens": 200',
    to: '"max_tokens": 23',
    why: "as above, inside the arguments",
  },
};

/** Refusals whose words differ; the type, parameter and status still agree. */
const otherWords: Readonly<Record<string, string>> = {
  "err-malformed-json.http": "the parser here does not say at which byte it stopped",
};

const replica = await createReplica({
  config: { ...zeroLatency, model: "tiny", maxModelLen: 4096 },
});
const full = await createReplica({
  config: { model: "tiny", profile: "tiny", maxNumQueuedReqs: 1, speed: 0.0001 },
});
const occupant = new AbortController();
const occupied = fetch(`${full.url}/v1/chat/completions`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ messages: [{ role: "user", content: "stay" }] }),
  signal: occupant.signal,
}).catch(() => undefined);

afterAll(async () => {
  occupant.abort();
  await occupied;
  await Promise.all([replica.close(), full.close()]);
});

describe("an answer has the shape of the recorded one", () => {
  for (const name of files) {
    test(name.replace(".http", ""), async () => {
      const recording = parseRecording(readFileSync(join(folder, name), "utf8"));
      const target = name.startsWith("err-503") ? full : replica;
      while (name.startsWith("err-503") && full.load() === 0) await Bun.sleep(1);
      const response = await fetch(`${target.url}${recording.path}`, {
        method: recording.method,
        headers: recording.requestHeaders,
        ...(recording.method === "POST" ? { body: requestBodyOf(name, recording) } : {}),
      });
      const body = (await response.text()).trim();
      expect(response.status).toBe(recording.status);
      expect(response.headers.get("x-simulated")).toBe("true");
      for (const header of recording.headerNames) expect(headersOf(response)).toContain(header);
      expect(body.endsWith("data: [DONE]")).toBe(recording.body.endsWith("data: [DONE]"));
      if (name.startsWith("err-") && otherWords[name] === undefined) {
        expect(valuesOf(body)).toEqual(valuesOf(recording.body));
      } else {
        expect(shapesOf(body)).toEqual(expectedShapes(name, recording.body));
      }
    });
  }
});

describe("metrics", () => {
  test("have the recorded names, types, labels and order", async () => {
    const recorded = readFileSync(join(folder, "metrics-fresh.txt"), "utf8");
    const ours = await (await fetch(`${replica.url}/metrics`)).text();
    expect(familiesOf(ours)).toEqual(familiesOf(recorded));
    expect(seriesOf(ours)).toEqual(seriesOf(recorded));
  });
});

/** Headers that the transport writes differ between servers and mean nothing. */
function headersOf(response: Response): string[] {
  return [...response.headers.keys(), "transfer-encoding", "content-length", "content-type"];
}

/** The distinct shapes of a body's values, in order of first appearance. */
function shapesOf(body: string): string[] {
  return [
    ...new Set(valuesOf(body).map((value) => shapeOf(value).toSorted().join("\n"))),
  ].toSorted();
}

function expectedShapes(name: string, body: string): string[] {
  const added = additions[name]?.paths;
  if (added === undefined) return shapesOf(body);
  return valuesOf(body).map((value) => [...shapeOf(value), ...added].toSorted().join("\n"));
}

function requestBodyOf(name: string, recording: Recording): string {
  const change = changedRequests[name];
  if (change === undefined) return recording.requestBody;
  return recording.requestBody.replace(change.from, change.to);
}

function familiesOf(text: string): string[] {
  return text.split("\n").filter((line) => line.startsWith("# TYPE vllm:"));
}

/**
 * Series names with their label names, without values; the cache configuration's labels are the
 * server's flags.
 */
function seriesOf(text: string): string[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("vllm:") && !line.startsWith("vllm:cache_config_info"))
    .map((line) => line.replace(/ \S+$/, "").replace(/model_name="[^"]*"/, "model_name"))
    .toSorted();
}
