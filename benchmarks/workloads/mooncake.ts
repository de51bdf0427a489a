import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";
import { Contents } from "./contents.ts";
import type { Segment, SessionPlan, TurnPlan, Workload } from "./types.ts";

/** One request of a trace in the format of the Mooncake FAST'25 release. */
export interface TraceRequest {
  readonly timestampMs: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** One id per block of 512 tokens; equal ids are equal blocks after equal prefixes. */
  readonly blockIds: readonly number[];
}

/** Tokens of a block of the format. */
export const traceBlockTokens = 512;

/** A trace file that is not in the format; says where and what. */
export class TraceFormatError extends Error {
  override readonly name = "TraceFormatError";
}

/** Reads a trace line by line, plain or gzip by its name, in constant memory. */
export async function* readTrace(path: string): AsyncGenerator<TraceRequest> {
  const file = createReadStream(path);
  const bytes = path.endsWith(".gz") ? file.pipe(createGunzip()) : file;
  // A broken file must end the loop below: pipes do not hand errors on.
  file.on("error", (error) => bytes.destroy(error));
  let line = 0;
  for await (const text of createInterface({ input: bytes, crlfDelay: Number.POSITIVE_INFINITY })) {
    line += 1;
    if (text.trim() !== "") yield parseRequest(text, `${path}:${line}`);
  }
}

/** All requests of a trace, in the order of the file. */
export async function loadTrace(path: string): Promise<readonly TraceRequest[]> {
  const requests: TraceRequest[] = [];
  for await (const request of readTrace(path)) requests.push(request);
  return requests;
}

function parseRequest(text: string, where: string): TraceRequest {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new TraceFormatError(`${where}: not a JSON object`, { cause });
  }
  if (typeof parsed !== "object" || parsed === null) {
    throw new TraceFormatError(`${where}: not a JSON object`);
  }
  const fields = parsed as Readonly<Record<string, unknown>>;
  const number = (name: string, least: number) => {
    const value = fields[name];
    if (typeof value === "number" && Number.isFinite(value) && value >= least) return value;
    throw new TraceFormatError(`${where}: ${name} must be a number of at least ${least}`);
  };
  const blockIds = fields["hash_ids"];
  if (!Array.isArray(blockIds) || !blockIds.every((id) => Number.isSafeInteger(id))) {
    throw new TraceFormatError(`${where}: hash_ids must be a list of whole numbers`);
  }
  const inputTokens = number("input_length", 1);
  const wanted = Math.ceil(inputTokens / traceBlockTokens);
  if (blockIds.length !== wanted) {
    throw new TraceFormatError(
      `${where}: hash_ids has ${blockIds.length} ids, input_length ${inputTokens} needs ${wanted}`,
    );
  }
  return {
    timestampMs: number("timestamp", 0),
    inputTokens,
    outputTokens: number("output_length", 0),
    blockIds,
  };
}

/**
 * The trace as a workload: every request a session of one turn at its time, since the format names
 * no sessions. It has no chance in it: the seed changes nothing.
 */
export function traceWorkload(name: string, requests: readonly TraceRequest[]): Workload {
  return {
    name,
    about: `${requests.length} requests of the trace ${name}, each on its own`,
    *sessions() {
      const contents = new Contents();
      const ordered = requests.toSorted((left, right) => left.timestampMs - right.timestampMs);
      for (const [index, request] of ordered.entries()) {
        yield sessionOf(request, `r${index}`, contents);
      }
    },
  };
}

function sessionOf(request: TraceRequest, id: string, contents: Contents): SessionPlan {
  const { blockIds, inputTokens, timestampMs } = request;
  const prompt = blockIds.map((block, index): Segment => {
    const isLast = index === blockIds.length - 1;
    const tokens = isLast ? inputTokens - index * traceBlockTokens : traceBlockTokens;
    return Contents.shared(5, block, tokens);
  });
  // The engine always makes a token.
  const outputTokens = Math.max(1, request.outputTokens);
  const turn: TurnPlan = {
    segments: [...prompt, contents.fresh(outputTokens)],
    promptSegments: prompt.length,
    promptTokens: inputTokens,
    outputTokens,
    gapBeforeMs: 0,
    gapKind: "start",
  };
  return { id, tenant: "trace", sloClass: "interactive", startMs: timestampMs, turns: [turn] };
}
