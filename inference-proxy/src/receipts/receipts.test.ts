import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@warmpath/runtime/base";
import { createManualClock } from "@warmpath/runtime/testing";
import type { CallEnd, CallReport } from "../call/account.ts";
import type { CallRequest } from "../call/types.ts";
import { noPrompt } from "../prompt/index.ts";
import { noUsage } from "../upstream/usage.ts";
import { createReceiptBook, reasonOf } from "./receipt-book.ts";
import { createReceiptFile } from "./receipt-file.ts";
import { receiptLine } from "./receipt-line.ts";
import type { Considered, Receipt } from "./types.ts";

function requestOf(requestId: string, sessionId = ""): CallRequest {
  return {
    requestId,
    caller: { tenant: "acme", user: "alice", keyId: "k", requestsPerMinute: 0 },
    operation: "chat",
    path: "/v1/chat/completions",
    model: "tiny",
    isStream: true,
    dropsUsage: false,
    lane: "standard",
    bodyFor: () => new Uint8Array(),
    bodyBytes: 100,
    engineHeaders: undefined,
    answerTokensMax: 8,
    prompt: {
      ...noPrompt,
      keys: [11, 12],
      session: { ...noPrompt.session, id: `acme/${sessionId}` },
    },
    taskId: "",
    sessionId,
    signal: new AbortController().signal,
  };
}

const end: CallEnd = {
  outcome: "done",
  finishReason: "stop",
  reported: undefined,
  choiceEvents: 2,
  replica: "a",
  attempts: 1,
  startedAtMs: 0,
  sentAtMs: 0,
  firstEventMs: 5,
};

const report: CallReport = {
  usage: { ...noUsage, inputTokens: 30, cachedInputTokens: 16, outputTokens: 2 },
  isEstimated: false,
  costNanodollars: 0n,
  firstEventMs: 5,
  interTokenMs: 1,
  durationMs: 12,
  attempts: 1,
};

const considered: readonly Considered[] = [
  { endpoint: "a", cost: 0.3, terms: { wait: 0.1, prefill: 0.2 }, excluded: undefined },
  { endpoint: "b", cost: 1.3, terms: { wait: 0.3, prefill: 1 }, excluded: undefined },
  { endpoint: "c", cost: 0, terms: {}, excluded: "unhealthy" },
];

describe("createReceiptBook()", () => {
  const bookOf = (receiptsKept: number) =>
    createReceiptBook({ clock: createManualClock(), limits: { receiptsKept } });

  test("tells every choice of a request and what became of it", () => {
    const book = bookOf(10);
    const request = requestOf("r1", "s1");
    book.decided(request, {
      replica: "b",
      waitedMs: 0,
      cachedTokensExpected: 0,
      consider: undefined,
    });
    book.decided(request, {
      replica: "a",
      waitedMs: 7,
      cachedTokensExpected: 14,
      consider: () => considered,
    });
    expect([book.open, book.find("acme", "r1")[0]?.outcome]).toEqual([1, undefined]);
    book.ended(request, end, report);
    expect(book.open).toBe(0);
    const [receipt] = book.find("acme", "s1");
    expect(receipt?.decisions.map(({ replica }) => replica)).toEqual(["b", "a"]);
    expect(receipt?.outcome).toMatchObject({
      outcome: "done",
      cachedTokens: 16,
      cachedTokensPredicted: 14,
      firstEventMs: 5,
    });
  });

  test("remembers the last ones, and finds a session's newest first", () => {
    const book = bookOf(3);
    for (const id of ["r1", "r2", "r3", "r4"]) {
      book.ended(requestOf(id, "s"), end, report);
    }
    expect(book.find("acme", "s").map(({ requestId }) => requestId)).toEqual(["r4", "r3", "r2"]);
    expect([book.kept, book.find("acme", "r1")]).toEqual([3, []]);
  });

  test("tells nobody of another tenant's requests", () => {
    const book = bookOf(3);
    book.ended(requestOf("r1"), end, report);
    expect(book.find("globex", "r1")).toEqual([]);
  });

  test("names the term that set the chosen one apart", () => {
    const decision = { atMs: 0, waitedMs: 0, replica: "a", cachedTokensExpected: 0 };
    expect(reasonOf({ ...decision, consider: () => considered })).toBe(
      "Less prefill than at b, by 0.8 s.",
    );
    expect(reasonOf({ ...decision, consider: () => considered.slice(0, 1) })).toBe(
      "No other replica was eligible.",
    );
    expect(reasonOf({ ...decision, consider: undefined })).toContain("not recorded");
  });
});

describe("createReceiptFile()", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "warmpath-receipts-"));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  function receiptOf(requestId: string): Receipt {
    const book = createReceiptBook({ clock: createManualClock(), limits: { receiptsKept: 9 } });
    const request = requestOf(requestId, "my session");
    book.decided(request, {
      replica: "a",
      waitedMs: 1.25,
      cachedTokensExpected: 14,
      consider: () => considered,
    });
    book.ended(request, end, report);
    const [receipt] = book.find("acme", requestId);
    if (receipt === undefined) {
      throw new Error("the book has just been given it");
    }
    return receipt;
  }

  function fileOf(limits = { receiptFileBytesMax: 1 << 20, receiptFilesBytesMax: 1 << 30 }) {
    const clock = createManualClock();
    const counts = { written: 0, lost: 0 };
    const file = createReceiptFile({
      folder,
      clock,
      log: silentLogger,
      limits,
      onWritten: (result, count) => {
        counts[result] += count;
      },
    });
    return { file, counts };
  }

  /** Writes these, in a batch of their own each. */
  async function write(ids: readonly string[], limits?: Parameters<typeof fileOf>[0]) {
    for (const id of ids) {
      const { file } = fileOf(limits);
      file.push(receiptOf(id));
      await file.close();
    }
  }

  test("writes a line each, which names no tenant, session or text", async () => {
    const { file, counts } = fileOf();
    for (let index = 0; index < 600; index += 1) {
      file.push(receiptOf(`r${index}`));
    }
    await file.close();
    const [name = ""] = await readdir(folder);
    const text = await readFile(join(folder, name), "utf8");
    const lines = text.trimEnd().split("\n");
    expect([lines.length, counts]).toEqual([600, { written: 600, lost: 0 }]);
    expect(text).not.toContain("acme");
    expect(text).not.toContain("my session");
    expect(JSON.parse(lines[599] ?? "")).toMatchObject({
      v: 1,
      requestId: "r599",
      promptKeys: [11, 12],
      decisions: [{ replica: "a", secondBest: "b", reason: "Less prefill than at b, by 0.8 s." }],
      outcome: "done",
      cachedTokens: 16,
    });
  });

  test("thins the keys of a long prompt, to every second, fourth or eighth and the last", () => {
    const long = Array.from({ length: 10_001 }, (_, index) => index + 1);
    const line = JSON.parse(receiptLine({ ...receiptOf("r1"), promptKeys: long }));
    expect(line.keyStride).toBe(8);
    expect(line.promptKeys.slice(0, 3)).toEqual([8, 16, 24]);
    expect(line.promptKeys.slice(-2)).toEqual([10_000, 10_001]);
    expect(line.promptKeys.length).toBe(1251);
  });

  test("begins another file when one is full, and removes the oldest", async () => {
    const lineBytes = 700;
    await write(["r1", "r2", "r3"], { receiptFileBytesMax: 1, receiptFilesBytesMax: 1 << 20 });
    expect((await readdir(folder)).length).toBe(3);
    await write(["r4"], { receiptFileBytesMax: 1, receiptFilesBytesMax: 2 * lineBytes });
    const names = (await readdir(folder)).toSorted();
    expect(names.at(-1)).toEndWith(".4.jsonl");
    expect(names.length).toBeLessThan(4);
    expect(await readFile(join(folder, names.at(-1) ?? ""), "utf8")).toContain('"r4"');
  });

  test("goes on in a file that is not full", async () => {
    await write(["r1", "r2"]);
    const names = await readdir(folder);
    expect(names.length).toBe(1);
    expect((await readFile(join(folder, names[0] ?? ""), "utf8")).split("\n").length).toBe(3);
  });

  test("a file that another process removes meanwhile makes no receipt a lost one", async () => {
    // Listed, and not there: as one is that is removed between the two.
    await symlink(join(folder, "gone"), join(folder, "receipts-2020-01-01.1.jsonl"));
    const { file, counts } = fileOf();
    file.push(receiptOf("r1"));
    await file.close();
    expect(counts).toEqual({ written: 1, lost: 0 });
  });

  test("counts what cannot be written, and is in nobody's way", async () => {
    await rm(folder, { recursive: true });
    await writeFile(folder, "no folder");
    const { file, counts } = fileOf();
    expect(file.push(receiptOf("r1"))).toBe(true);
    await file.close();
    expect(counts).toEqual({ written: 0, lost: 1 });
  });
});
