import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { quantileOf } from "../../report/statistics.ts";
import { conversationFirstPrompt, conversationOutput } from "../chat.ts";
import { tokensOf } from "../contents.ts";
import { describeWorkload } from "../facts/describe.ts";
import type { Quantiles } from "../samplers.ts";
import { CacheCurveCounter } from "./cache-curve.ts";
import { boundBars } from "./published-bounds.ts";
import { loadTrace, readTrace, type TraceOptions } from "./read-trace.ts";
import { TraceFormatError } from "./trace-format-error.ts";
import { readTraceSessions, traceWorkload } from "./trace-workload.ts";

const tracePath = join(import.meta.dir, "../testdata/mooncake_fast25_conversation_trace.jsonl.gz");
const folder = mkdtempSync(join(tmpdir(), "warmpath-trace-"));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;

function fileOf(content: string | Uint8Array): string {
  files += 1;
  const path = join(folder, `${files}.jsonl`);
  writeFileSync(path, content);
  return path;
}

async function faultOf(path: string, options?: TraceOptions): Promise<unknown> {
  return await loadTrace(path, options).then(
    () => undefined,
    (error: unknown) => error,
  );
}

const good = '{"timestamp":7,"input_length":600,"output_length":5,"hash_ids":[1,2]}';

describe("the conversation trace of the FAST'25 release", () => {
  test("has the published bound: 36.6 % of blocks, 37.4 % of tokens", async () => {
    const counter = new CacheCurveCounter([0.5e6, 1.5e6, 5.1e6, 15e6, 26e6]);
    for await (const request of readTrace(tracePath)) counter.add(request);
    const curve = counter.curve();
    expect(curve).toMatchObject({ requests: 12_031, blocks: 288_500, uniqueBlocks: 182_790 });
    expect((100 * curve.infinite.blockHits).toFixed(1)).toBe("36.6");
    expect((100 * curve.infinite.tokenHits).toFixed(1)).toBe("37.4");
    const bars = boundBars(curve);
    expect(bars.length).toBe(3);
    expect(bars.filter(({ ok }) => !ok)).toEqual([]);
    const finite = curve.finite.map(({ tokenHits }) => Math.round(1000 * tokenHits) / 10);
    expect(finite).toEqual([4.5, 6.5, 21.5, 33.1, 36.2]);
  });
  test("is the same to read plain as compressed", async () => {
    const path = fileOf(gunzipSync(readFileSync(tracePath)));
    const [plain, compressed] = [await loadTrace(path), await loadTrace(tracePath)];
    expect(plain.length).toBe(12_031);
    expect(JSON.stringify(plain)).toBe(JSON.stringify(compressed));
  });
  test("becomes sessions that share what its ids share", async () => {
    const requests = await loadTrace(tracePath, { requestsMax: 3_000 });
    const counter = new CacheCurveCounter();
    for (const request of requests) counter.add(request);
    const facts = describeWorkload(traceWorkload("t", requests), { seed: 1, sessions: 1e6 });
    expect(facts.sessions).toBe(3_000);
    expect(facts.turns).toBe(3_000);
    expect(facts.infiniteCacheHits).toBeCloseTo(counter.curve().infinite.tokenHits, 9);
  });
  test("has sessions of 1.5 turns by its prefixes, without a request lost or a hit more", async () => {
    const requests = await loadTrace(tracePath);
    const counter = new CacheCurveCounter();
    for (const request of requests) counter.add(request);
    const workload = traceWorkload("t", requests, { sessions: "continued" });
    const facts = describeWorkload(workload, { seed: 1, sessions: 1e6 });
    expect(facts.turns).toBe(12_031);
    expect(facts.spreads["turns per session"]?.mean).toBeCloseTo(1.5, 1);
    expect(facts.infiniteCacheHits).toBeCloseTo(counter.curve().infinite.tokenHits, 9);
    // What was a hit on another request is now mostly one on the session's own.
    expect(facts.sharedHits).toBeLessThan(facts.infiniteCacheHits / 2);
    for (const { turns } of workload.sessions(1)) {
      for (const [index, { promptTokens }] of turns.entries()) {
        expect(promptTokens).toBeGreaterThan(turns[index - 1]?.promptTokens ?? 0);
      }
    }
  });
  test("has the quantiles that chats are drawn from", async () => {
    const requests = await loadTrace(tracePath);
    const sessions = traceWorkload("t", requests, { sessions: "continued" }).sessions(1);
    const firsts = [...sessions].map(({ turns: [first] }) => first?.promptTokens ?? 0);
    const pointsOf = (values: readonly number[], { points }: Quantiles) => {
      const sorted = values.toSorted((left, right) => left - right);
      return points.map(([share]) => [share, quantileOf(sorted, share)] as const);
    };
    const answers = requests.map(({ outputTokens }) => outputTokens);
    expect(pointsOf(firsts, conversationFirstPrompt)).toEqual([...conversationFirstPrompt.points]);
    expect(pointsOf(answers, conversationOutput)).toEqual([...conversationOutput.points]);
  });
});

describe("a trace", () => {
  const cases: readonly (readonly [line: string, why: string])[] = [
    ["{", "not a JSON object"],
    ["[]", "not a JSON object"],
    ['{"timestamp":0,"input_length":0,"output_length":5,"hash_ids":[]}', "input_length"],
    ['{"timestamp":0,"input_length":9.5,"output_length":5,"hash_ids":[1]}', "input_length"],
    ['{"timestamp":0,"input_length":9,"hash_ids":[1]}', "output_length must be a whole number"],
    ['{"timestamp":-1,"input_length":9,"output_length":5,"hash_ids":[1]}', "timestamp"],
    ['{"timestamp":"0","input_length":9,"output_length":5,"hash_ids":[1]}', "timestamp"],
    ['{"timestamp":0,"input_length":9,"output_length":5}', "hash_ids must be a list, not missing"],
    ['{"timestamp":0,"input_length":900,"output_length":5,"hash_ids":[1,"a"]}', "hash_ids[1]"],
    ['{"timestamp":0,"input_length":9,"output_length":5,"hash_ids":[-1]}', "hash_ids[0]"],
    ['{"timestamp":0,"input_length":9,"output_length":5,"hash_ids":[9007199254740993]}', "2^52"],
    ['{"timestamp":0,"input_length":1100,"output_length":5,"hash_ids":[1]}', "needs 3"],
    ['{"timestamp":0,"input_length":900,"output_length":5,"hash_ids":[1,2,3]}', "needs 2"],
  ];
  test.each(cases)("with the line %p is refused with its number and field", async (line, why) => {
    const path = fileOf(`${good}\n\n${line}\n${good}\n`);
    const fault = await faultOf(path);
    expect(fault).toBeInstanceOf(TraceFormatError);
    expect(String(fault)).toContain(`${path}:3: `);
    expect(String(fault)).toContain(why);
  });
  test("may have blank lines, CRLF, no last line end, more fields, and characters beyond ASCII", async () => {
    const more = good.replace("{", '{"session":"Grüße 🦊","nested":{"a":[1]},');
    const requests = await loadTrace(fileOf(`\r\n${good}\r\n\n  \n${more}`));
    expect(requests.length).toBe(2);
    expect(requests[1]).toEqual(requests[0]!);
    expect(await loadTrace(fileOf(""))).toEqual([]);
  });
  test("may be larger than any buffer, also in one line", async () => {
    const blocks = 200_000;
    const ids = Array.from({ length: blocks }, (_, index) => index).join();
    const long = `{"timestamp":0,"input_length":${512 * blocks},"output_length":1,"hash_ids":[${ids}]}`;
    const [first, second] = await loadTrace(fileOf(gzipSync(`${long}\n${good}\n`)));
    expect(first?.blockIds.length).toBe(blocks);
    expect(second?.timestampMs).toBe(7);
  });
  test("that is missing, or broken off, is an error and not a shorter trace", async () => {
    expect(String(await faultOf(join(folder, "nowhere.jsonl")))).toContain("ENOENT");
    const whole = gzipSync(`${good}\n`.repeat(20_000));
    const fault = await faultOf(fileOf(whole.subarray(0, whole.length / 2)));
    expect(fault).toBeInstanceOf(TraceFormatError);
    expect(String(fault)).toContain("broken off");
  });
  test("may have blocks of another size, and only whole blocks named", async () => {
    const line = '{"timestamp":0,"input_length":40,"output_length":5,"hash_ids":[8,9]}';
    const requests = await loadTrace(fileOf(`${line}\n${line}\n`), { blockTokens: 16 });
    const [first, second] = [...traceWorkload("t", requests, { blockTokens: 16 }).sessions(1)];
    const promptOf = (session: typeof first) => session?.turns[0]?.segments.slice(0, 3) ?? [];
    expect(promptOf(first).map(({ tokens }) => tokens)).toEqual([16, 16, 8]);
    expect(promptOf(first).slice(0, 2)).toEqual(promptOf(second).slice(0, 2));
    expect(promptOf(first)[2]?.content).not.toBe(promptOf(second)[2]?.content);
  });
  test("can be read up to a number of requests", async () => {
    const path = fileOf(`${good}\n`.repeat(5));
    expect((await loadTrace(path, { requestsMax: 3 })).length).toBe(3);
  });
  test("streams sessions that are those of the workload", async () => {
    const requests = await loadTrace(tracePath, { requestsMax: 300 });
    const streamed = [];
    for await (const session of readTraceSessions(tracePath, { requestsMax: 300 })) {
      streamed.push(session);
    }
    expect(streamed).toEqual([...traceWorkload("t", requests).sessions(1)]);
  });
});

describe("a trace's sessions", () => {
  const at = (timestampMs: number, inputTokens: number, blockIds: readonly number[]) => ({
    timestampMs,
    inputTokens,
    outputTokens: 100,
    blockIds,
  });
  test("begin at 0 in the order of time, and hold as many tokens as the trace says", () => {
    const requests = [at(900, 600, [1, 2]), at(500, 512, [3])];
    const sessions = [...traceWorkload("t", requests).sessions(1)];
    expect(sessions.map(({ startMs }) => startMs)).toEqual([0, 400]);
    for (const { turns } of sessions) {
      for (const { segments, promptSegments, promptTokens } of turns) {
        expect(tokensOf(segments.slice(0, promptSegments))).toBe(promptTokens);
      }
    }
  });
  test("guessed from prefixes, go on where a prompt begins with the last one", () => {
    const requests = [
      at(0, 1_100, [0, 1, 2]),
      at(10, 1_100, [0, 5, 6]),
      at(60_000, 1_700, [0, 1, 3, 4]),
      at(90_000, 1_800, [0, 1, 3, 9]),
    ];
    const sessions = [...traceWorkload("t", requests, { sessions: "continued" }).sessions(1)];
    expect(sessions.map(({ turns }) => turns.length)).toEqual([3, 1]);
    // Less 20 ms for each of the answer's 100 tokens.
    expect(sessions[0]?.turns.map(({ gapBeforeMs }) => gapBeforeMs)).toEqual([0, 58_000, 28_000]);
    expect(sessions[0]?.turns.map(({ gapKind }) => gapKind)).toEqual(["start", "human", "human"]);
  });
  test("are not joined by what all begin with", () => {
    const requests = Array.from({ length: 20 }, (_, index) =>
      at(index, 600 + index, [0, 1 + index]),
    );
    const sessions = [...traceWorkload("t", requests, { sessions: "continued" }).sessions(1)];
    expect(sessions.length).toBe(20);
  });
});
