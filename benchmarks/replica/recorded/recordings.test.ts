/**
 * Goal: a client of a real vLLM cannot tell the replica apart by the shape of its answers.
 * Method: replay every recorded request and compare status, header names, the members and types of
 * every JSON value, the kinds and order of a stream's events, and the words of refusals; then the
 * names, types and labels of the metrics. What differs must be listed in `differences.ts`, and what
 * is listed there must differ.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { eventsOf, parseRecording, type Recording } from "../recording.ts";
import { createReplica, type Replica } from "../replica.ts";
import { differencesOf, setDifferences } from "./compare.ts";
import { changedRequests, differences, differencesTable } from "./differences.ts";
import { exchange } from "./exchange.ts";
import { type ServerName, serverOf, servers } from "./servers.ts";

const folder = join(import.meta.dir, "../testdata");
const names = readdirSync(folder)
  .filter((name) => name.endsWith(".http"))
  .toSorted();
const replicas = new Map<ServerName, Replica>();
for (const name of Object.keys(servers) as ServerName[]) {
  replicas.set(name, await createReplica({ config: servers[name] }));
}
const fresh = await metricsOf("A");
/** Entries of the table that some recording needed. */
const needed = new Set<string>();

// Whoever comes after this one is refused; it ends with the replica.
const occupant = new AbortController();
const occupied = fetch(`${replicaOf("full").url}/v1/chat/completions`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ messages: [{ role: "user", content: "stay" }] }),
  signal: occupant.signal,
}).catch(() => undefined);

afterAll(async () => {
  occupant.abort();
  await occupied;
  await Promise.all([...replicas.values()].map((replica) => replica.close()));
});

describe("an answer is like the recorded one", () => {
  for (const name of names) {
    test(name.replace(".http", ""), async () => {
      const recording = parseRecording(readFileSync(join(folder, name), "utf8"));
      const replica = replicaOf(serverOf(name));
      while (serverOf(name) === "full" && replica.load() === 0) await Bun.sleep(1);
      const { from, to } = changedRequests[name] ?? { from: "", to: "" };
      expect(recording.requestBody).toContain(from);
      const answer = await exchange(replica.url, {
        method: recording.method,
        path: recording.path,
        headers: recording.requestHeaders,
        ...(recording.method === "POST" ? { body: changed(recording.requestBody, from, to) } : {}),
      });
      const expected: Recording = { ...recording, body: changed(recording.body, from, to) };
      const comparesWords = name.startsWith("err-");
      expect(unlisted(name, differencesOf(expected, answer, { comparesWords }))).toEqual([]);
    });
  }
});

test("a refusal may sit inside a 200 stream when many come at once", async () => {
  // At this speed the API server takes a third of a second before the queue.
  const config = { ...servers.A, profile: "llama-8b-h100", speed: 0.03, maxNumQueuedReqs: 1 };
  const replica = await createReplica({ config });
  const ask = () => {
    const leave = new AbortController();
    const body = JSON.stringify({ messages: [{ role: "user", content: "Hi" }], stream: true });
    const headers = { "content-type": "application/json" };
    const url = `${replica.url}/v1/chat/completions`;
    return { leave, answer: fetch(url, { method: "POST", headers, body, signal: leave.signal }) };
  };
  const first = ask();
  expect((await first.answer).status).toBe(200);
  const second = await ask().answer;
  expect(second.status).toBe(200);
  const name = "err-admission-inside-200-stream.txt";
  const recorded = eventsOf(readFileSync(join(folder, name), "utf8").trim());
  expect(eventsOf((await second.text()).trim())).toEqual(recorded);
  first.leave.abort();
  await replica.close();
});

test("the role and the first token leave together, each event as a chunk of its own", async () => {
  const body = { messages: [{ role: "user", content: "Say hello." }], stream: true, max_tokens: 3 };
  const { reads } = await exchange(replicaOf("A").url, {
    method: "POST",
    path: "/v1/chat/completions",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const recorded = readFileSync(join(folder, "chat-stream-raw-chunks.txt"), "utf8");
  const [recordedHead = "", recordedFirst = ""] = recorded.split("\n");
  const [head = "", ...rest] = reads.join("").split("\r\n\r\n");
  expect(head).toContain("transfer-encoding: chunked");
  expect(recordedHead).toContain("transfer-encoding: chunked");
  const chunks = framesOf(rest.join("\r\n\r\n"));
  expect(framesOf(recordedFirst.replaceAll("\\r", "\r").replaceAll("\\n", "\n"))).toHaveLength(2);
  expect(chunks.slice(-2)).toEqual(["e", "0"]);
  expect(chunks).toHaveLength(6);
});

describe("metrics have the recorded names, types and labels", () => {
  test("before any request", () => {
    const recorded = readFileSync(join(folder, "metrics-fresh.txt"), "utf8");
    expect(unlisted("metrics-fresh", metricDifferences(recorded, fresh))).toEqual([]);
  });

  test("after requests", async () => {
    const recorded = readFileSync(join(folder, "metrics-after-load-idle.txt"), "utf8");
    const ours = await metricsOf("A");
    expect(unlisted("metrics-after-load-idle", metricDifferences(recorded, ours))).toEqual([]);
  });

  test("with other flags and preemptions", async () => {
    const recorded = readFileSync(join(folder, "metrics-preempting.txt"), "utf8");
    const ours = await metricsOf("B");
    expect(unlisted("metrics-preempting", metricDifferences(recorded, ours))).toEqual([]);
  });
});

describe("the table of differences", () => {
  test("lists nothing that does not differ any more", () => {
    const unneeded = differences.filter(({ id }) => !needed.has(id)).map(({ id }) => id);
    expect(unneeded).toEqual([]);
  });

  test("stands in the README", () => {
    const readme = readFileSync(join(import.meta.dir, "../README.md"), "utf8");
    expect(readme).toContain(differencesTable());
  });
});

/** The differences that the table does not allow. */
function unlisted(name: string, found: readonly string[]): string[] {
  return found.filter((what) => {
    const entries = differences.filter(
      (entry) => matches(entry.recordings, name) && entry.what.some((each) => matches(each, what)),
    );
    for (const { id } of entries) needed.add(id);
    return entries.length === 0;
  });
}

/** `*` stands for any run of characters. */
function matches(pattern: string, text: string): boolean {
  const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(text);
}

function changed(text: string, from: string, to: string): string {
  return from === "" ? text : text.replaceAll(from, to);
}

/** Sizes of the chunks, as they were written. */
function framesOf(text: string): string[] {
  return [...text.matchAll(/(?:^|\r\n|')([0-9a-f]+)\r\n/g)].map((match) => match[1] ?? "");
}

function metricDifferences(recorded: string, ours: string): string[] {
  return [
    ...setDifferences("family", linesOf(recorded, "# TYPE "), linesOf(ours, "# TYPE ")),
    ...setDifferences("series", seriesOf(recorded), seriesOf(ours)),
  ];
}

function linesOf(text: string, start: string): string[] {
  const lines = text.split("\n").filter((line) => line.startsWith(start));
  return lines.map((line) => line.slice(start.length));
}

/** Series with their labels, without the values that no two servers share. */
function seriesOf(text: string): string[] {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return lines.map((line) => {
    const series = line.replace(/ \S+$/, "");
    if (series.startsWith("vllm:cache_config_info")) return series.replace(/="[^"]*"/g, "");
    return series.replace(/(model_name|handler|method|status)="[^"]*"/g, "$1");
  });
}

async function metricsOf(name: ServerName): Promise<string> {
  const answer = await exchange(replicaOf(name).url, { method: "GET", path: "/metrics" });
  return answer.body;
}

function replicaOf(name: ServerName): Replica {
  const replica = replicas.get(name);
  if (replica === undefined) throw new Error(`server ${name} was not started`);
  return replica;
}
