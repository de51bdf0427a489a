import { afterEach, describe, expect, test } from "bun:test";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startFakeEngine, startTestProxy } from "@warmpath/inference-proxy/testing";
import { PromptTree } from "./prompt-tree.ts";
import { readReceipts } from "./read-receipts.ts";
import { receiptWorkload } from "./receipt-workload.ts";
import { receiptsRow, replay } from "./replay.ts";
import type { Recording, ReplayedRequest } from "./types.ts";

/*
 * Goal: what a proxy has written can be played again, as it was and otherwise. Method: prompts
 * worked out by hand, the example as a whole, and a proxy whose receipts are read back.
 */

const example = join(import.meta.dir, "testdata/receipts-example.jsonl");
const fleet = { replicas: 3, profile: "tiny", blocks: undefined, speed: 1 };
const folders: string[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "warmpath-replay-"));
  folders.push(folder);
  return folder;
}

function requestOf(over: Partial<ReplayedRequest> = {}): ReplayedRequest {
  return {
    arrivedAtMs: 1000,
    endedAtMs: 1500,
    waitedMs: 0,
    session: "s",
    parent: undefined,
    tenant: "t",
    lane: "standard",
    replica: "a:1",
    keys: [],
    chunkTokens: 100,
    estimatedTokens: 250,
    promptTokens: 250,
    cachedTokens: 0,
    outputTokens: 20,
    firstEventMs: 30,
    asksForTools: false,
    ...over,
  };
}

const recordingOf = (requests: readonly ReplayedRequest[]): Recording => ({
  requests,
  replicas: [...new Set(requests.map(({ replica }) => replica))].toSorted(),
  leftOut: 0,
});

describe("PromptTree", () => {
  const sharedTokens = (
    one: { readonly segments: readonly { content: number; tokens: number }[] },
    other: { readonly segments: readonly { content: number; tokens: number }[] },
  ): number => {
    let tokens = 0;
    for (const [index, segment] of one.segments.entries()) {
      if (other.segments[index]?.content !== segment.content) break;
      expect(other.segments[index]?.tokens).toBe(segment.tokens);
      tokens += segment.tokens;
    }
    return tokens;
  };

  test("equal keys are equal tokens, whoever asks; what has no key is nobody else's", () => {
    const tree = new PromptTree();
    const one = tree.plan(requestOf({ keys: [1, 2] }));
    const other = tree.plan(requestOf({ session: "o", keys: [1, 2] }));
    const half = tree.plan(requestOf({ session: "h", keys: [1, 3] }));
    const none = tree.plan(requestOf({ session: "n", keys: [9] }));
    expect([sharedTokens(one, other), sharedTokens(one, half), sharedTokens(one, none)]).toEqual([
      200, 100, 0,
    ]);
    for (const { segments, promptSegments } of [one, other, half, none]) {
      const prompt = segments.slice(0, promptSegments);
      expect(prompt.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(250);
      expect(segments.slice(promptSegments).map(({ tokens }) => tokens)).toEqual([20]);
    }
  });

  test("a session's next prompt goes on behind its last answer, and a fork where it left", () => {
    const tree = new PromptTree();
    const first = tree.plan(requestOf({ keys: [1, 2] }));
    const longer = { estimatedTokens: 500, promptTokens: 500 };
    const second = tree.plan(requestOf({ keys: [1, 2, 3, 4], ...longer }));
    expect(sharedTokens(first, second)).toBe(270);
    const fork = tree.plan(requestOf({ session: "fork", keys: [1, 2, 3, 9], ...longer }));
    expect(sharedTokens(second, fork)).toBe(300);
    const rewritten = tree.plan(requestOf({ keys: [1, 5], promptTokens: 240 }));
    expect(sharedTokens(second, rewritten)).toBe(100);
  });

  test("sizes are the engine's, chunks are scaled to them", () => {
    const tree = new PromptTree();
    const request = requestOf({ keys: [1, 2], estimatedTokens: 250, promptTokens: 500 });
    expect(tree.plan(request).segments.map(({ tokens }) => tokens)).toEqual([200, 200, 100, 20]);
  });
});

describe("receiptWorkload()", () => {
  test("sessions begin when they began, and pause as long as they did", () => {
    const { sessions } = receiptWorkload(
      recordingOf([
        requestOf({ asksForTools: true }),
        requestOf({
          session: "child",
          parent: "s",
          arrivedAtMs: 1600,
          endedAtMs: 1700,
          lane: "batch",
        }),
        requestOf({ arrivedAtMs: 2000, endedAtMs: 2100 }),
        requestOf({ arrivedAtMs: 2050, endedAtMs: 2200 }),
      ]),
    );
    const [session, child] = [...sessions(1)];
    expect(session).toMatchObject({ id: "s", startMs: 0, sloClass: "agent" });
    expect(session?.turns.map(({ gapBeforeMs, gapKind }) => [gapBeforeMs, gapKind])).toEqual([
      [0, "start"],
      [500, "tool"],
      [0, "human"],
    ]);
    expect(child).toMatchObject({ id: "s/child", startMs: 600, sloClass: "batch" });
  });
});

describe("replay()", () => {
  test("plays every request of the example under the recorded and other policies", async () => {
    const recording = await readReceipts([example]);
    expect([recording.requests.length, recording.replicas.length]).toEqual([54, 3]);
    const actual = receiptsRow(recording);
    const recorded = replay(recording, "recorded", fleet);
    // The same decisions on engines with the same cache find about the same.
    expect(Math.abs(recorded.hitRate - actual.hitRate)).toBeLessThan(0.06);
    expect(recorded.movedSessions).toBe(actual.movedSessions);
    const scattered = replay(recording, "round-robin", fleet);
    const ours = replay(recording, "warmpath", fleet);
    expect(scattered.hitRate).toBeLessThan(recorded.hitRate);
    expect(ours.hitRate).toBeGreaterThan(scattered.hitRate);
    for (const row of [recorded, scattered, ours]) {
      expect([row.lostTurns, row.turnsPerSecond > 5, row.ttftP50Ms > 0]).toEqual([0, true, true]);
    }
    expect(replay(recording, "warmpath", fleet)).toEqual(ours);
    expect(() => replay(recording, "warmpth", fleet)).toThrow("did you mean warmpath?");
  });

  test("reads what a proxy writes, and keeps to its decisions", async () => {
    const receiptsFolder = await newFolder();
    const engines = [startFakeEngine(), startFakeEngine()];
    for (const engine of engines) {
      engine.answer = () =>
        Response.json({
          choices: [
            {
              index: 0,
              finish_reason: "tool_calls",
              message: {
                role: "assistant",
                tool_calls: [
                  { id: "c", type: "function", function: { name: "ls", arguments: "" } },
                ],
              },
            },
          ],
          usage: {
            prompt_tokens: 900,
            completion_tokens: 7,
            prompt_tokens_details: { cached_tokens: 512 },
          },
        });
    }
    const proxy = await startTestProxy(engines, { receiptsFolder });
    const ask = async (session: string, model = "tiny") => {
      const messages = [{ role: "user", content: `${session} `.repeat(400) }];
      const headers = { "x-session-id": session };
      await (await proxy.post("/v1/chat/completions", { model, messages }, { headers })).text();
    };
    for (const session of ["one", "two", "one", "three"]) await ask(session);
    await ask("four", "no-such-model");
    await proxy.close();
    for (const engine of engines) await engine.stop();
    const paths = (await readdir(receiptsFolder)).map((name) => join(receiptsFolder, name));
    const recording = await readReceipts(paths);
    expect(recording.requests.length).toBe(4);
    expect(recording.requests[2]).toMatchObject({
      session: recording.requests[0]?.session,
      promptTokens: 900,
      cachedTokens: 512,
      outputTokens: 7,
      asksForTools: true,
    });
    expect(recording.requests[0]?.keys.length).toBeGreaterThan(0);
    expect(replay(recording, "recorded", { ...fleet, replicas: 2 }).movedSessions).toBe(
      receiptsRow(recording).movedSessions,
    );
  });

  test("says which line is no receipt; one that a crash broke off is passed over", async () => {
    const folder = await newFolder();
    const line = (await Bun.file(example).text()).split("\n")[0] ?? "";
    const write = async (text: string) => {
      const path = join(folder, `${Bun.hash(text)}.jsonl`);
      await writeFile(path, text);
      return path;
    };
    const read = async (text: string) => await readReceipts([await write(text)]);
    expect((await read(`${line}\n${line.slice(0, 90)}`)).requests.length).toBe(1);
    expect((await read(line.replace(/"decisions":\[.*\],"outcome"/, '"outcome"'))).leftOut).toBe(1);
    const bare = { v: 1, inputTokens: 10, decisions: [null, 7, "a"] };
    expect((await read(JSON.stringify(bare))).leftOut).toBe(1);
    await expect(read(`${line.slice(0, 90)}\n${line}`)).rejects.toThrow(":1: no line of JSON");
    await expect(read(line.replace('"v":1', '"v":9'))).rejects.toThrow("no receipt of version 1");
  });

  test("thinned keys stand for as many chunks as were left out", async () => {
    const folder = await newFolder();
    const path = join(folder, "thin.jsonl");
    const receipt = {
      v: 1,
      requestId: "r",
      decisions: [{ atMs: 5, waitedMs: 0, replica: "a" }],
      promptKeys: [2, 4, 6, 7],
      keyStride: 2,
      chunkTokens: 256,
      promptTokens: 1800,
      inputTokens: 1800,
    };
    await writeFile(path, `${JSON.stringify(receipt)}\n`);
    const [request] = (await readReceipts([path])).requests;
    expect(request).toMatchObject({ keys: [2, 4, 6], chunkTokens: 512, session: "request r" });
  });
});
