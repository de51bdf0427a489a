import { readLines } from "../workloads/trace/read-lines.ts";
import type { Recording, ReplayedRequest } from "./types.ts";

/** A file that is none of receipts; says where and what. */
export class ReceiptFormatError extends Error {
  override readonly name = "ReceiptFormatError";
}

/** The version of the proxy's lines that is understood. */
const version = 1;

/**
 * Reads receipts, plain or gzip, of one proxy or several; in memory they take about what they take
 * on disk. Rejects with `ReceiptFormatError` for a line that is no receipt; a last line that was
 * broken off, as a crash leaves it, is passed over.
 */
export async function readReceipts(paths: readonly string[]): Promise<Recording> {
  const requests: ReplayedRequest[] = [];
  let leftOut = 0;
  for (const path of paths) {
    let broken: string | undefined;
    for await (const { text, number } of readLines(path)) {
      if (broken !== undefined) throw new ReceiptFormatError(broken);
      const members = membersOf(text);
      if (members === undefined) {
        broken = `${path}:${number}: no line of JSON`;
        continue;
      }
      if (members["v"] !== version) {
        throw new ReceiptFormatError(`${path}:${number}: no receipt of version ${version}`);
      }
      const request = requestOf(members);
      if (request === undefined) leftOut += 1;
      else requests.push(request);
    }
  }
  requests.sort((one, other) => one.arrivedAtMs - other.arrivedAtMs);
  const replicas = [...new Set(requests.map(({ replica }) => replica))].toSorted();
  return { requests, replicas, leftOut };
}

type Members = Readonly<Record<string, unknown>>;

function membersOf(text: string): Members | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isMembers(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Undefined where no replica served anything: refused, failed, or answered without an engine. */
function requestOf(members: Members): ReplayedRequest | undefined {
  const decisions = listOf(members["decisions"]).filter(isMembers);
  const first = decisions[0];
  const last = decisions.at(-1);
  const promptTokens = Math.round(numberOf(members["inputTokens"]));
  if (first === undefined || last === undefined || promptTokens < 1) return undefined;
  const arrivedAtMs = numberOf(first["atMs"]) - numberOf(first["waitedMs"]);
  const stride = Math.max(1, numberOf(members["keyStride"]));
  const keys = listOf(members["promptKeys"]).map(numberOf);
  const areWhole = members["isExact"] === true && stride === 1;
  return {
    arrivedAtMs,
    endedAtMs: arrivedAtMs + numberOf(members["durationMs"]),
    waitedMs: numberOf(last["waitedMs"]),
    session: textOf(members["session"]) || `request ${textOf(members["requestId"])}`,
    parent: textOf(members["parent"]) || undefined,
    tenant: textOf(members["tenant"]),
    lane: textOf(members["lane"]),
    replica: textOf(last["replica"]),
    // The last key of a text stands for its end, in the middle of a chunk.
    keys: areWhole ? keys : keys.slice(0, -1),
    chunkTokens: numberOf(members["chunkTokens"]) * stride,
    estimatedTokens: numberOf(members["promptTokens"]),
    promptTokens,
    cachedTokens: Math.min(promptTokens, numberOf(members["cachedTokens"])),
    outputTokens: Math.max(1, Math.round(numberOf(members["outputTokens"]))),
    firstEventMs: typeof members["firstEventMs"] === "number" ? members["firstEventMs"] : undefined,
    asksForTools: members["asksForTools"] === true,
  };
}

function isMembers(value: unknown): value is Members {
  return typeof value === "object" && value !== null;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** 0 for what is no number above it. */
function numberOf(value: unknown): number {
  return typeof value === "number" && value > 0 ? value : 0;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
