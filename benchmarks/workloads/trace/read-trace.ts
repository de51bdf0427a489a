import { readLines } from "./read-lines.ts";
import { TraceFormatError } from "./trace-format-error.ts";

/** One request of a trace in the format of the Mooncake FAST'25 release. */
export interface TraceRequest {
  readonly timestampMs: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /**
   * One id per block of the prompt; equal ids are equal blocks after equal prefixes. Where the
   * trace names whole blocks only, the rest of the prompt has none.
   */
  readonly blockIds: readonly number[];
}

/** How a trace is read. */
export interface TraceOptions {
  /** Tokens of a block; default 512, as in Mooncake's traces. */
  readonly blockTokens?: number;
  /** Only so many requests, from the first on; default: all. */
  readonly requestsMax?: number;
}

/** Tokens of a block of Mooncake's traces. */
export const mooncakeBlockTokens = 512;

/** Ids are doubled to tell them from other contents, and must stay exact. */
const blockIdMax = 2 ** 52 - 1;

/**
 * Reads a trace line by line, plain or gzip, in constant memory; blank lines and fields that the
 * format does not name are passed over. Rejects with a `TraceFormatError` that names line and
 * field.
 */
export async function* readTrace(
  path: string,
  options: TraceOptions = {},
): AsyncGenerator<TraceRequest> {
  const { blockTokens = mooncakeBlockTokens, requestsMax = Number.POSITIVE_INFINITY } = options;
  let requests = 0;
  for await (const { text, number } of readLines(path)) {
    if (text.trim() === "") continue;
    if (requests === requestsMax) return;
    requests += 1;
    yield parseRequest(text, `${path}:${number}`, blockTokens);
  }
}

/** All requests of a trace, in the order of the file. */
export async function loadTrace(
  path: string,
  options?: TraceOptions,
): Promise<readonly TraceRequest[]> {
  const requests: TraceRequest[] = [];
  for await (const request of readTrace(path, options)) requests.push(request);
  return requests;
}

type Fields = Readonly<Record<string, unknown>>;

function parseRequest(text: string, where: string, blockTokens: number): TraceRequest {
  const fields = parseObject(text, where);
  const inputTokens = wholeField(fields, "input_length", { least: 1, where });
  const outputTokens = wholeField(fields, "output_length", { least: 0, where });
  const timestampMs = fields["timestamp"];
  if (typeof timestampMs !== "number" || !Number.isFinite(timestampMs) || timestampMs < 0) {
    throw faultOf(where, "timestamp", "a number of ms from 0 on", timestampMs);
  }
  const blockIds = fields["hash_ids"];
  if (!Array.isArray(blockIds)) throw faultOf(where, "hash_ids", "a list", blockIds);
  const wrong = blockIds.findIndex((id) => !isBlockId(id));
  if (wrong !== -1) {
    throw faultOf(
      where,
      `hash_ids[${wrong}]`,
      "a whole number from 0 to 2^52 - 1",
      blockIds[wrong],
    );
  }
  const most = Math.ceil(inputTokens / blockTokens);
  const least = Math.floor(inputTokens / blockTokens);
  if (blockIds.length < least || blockIds.length > most) {
    throw new TraceFormatError(
      `${where}: hash_ids has ${blockIds.length} ids, but input_length ${inputTokens} needs ${most} ` +
        `(blocks of ${blockTokens} tokens)`,
    );
  }
  return { timestampMs, inputTokens, outputTokens, blockIds };
}

function parseObject(text: string, where: string): Fields {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new TraceFormatError(`${where}: not a JSON object`, { cause });
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw new TraceFormatError(`${where}: not a JSON object`);
  }
  return parsed as Fields;
}

function wholeField(
  fields: Fields,
  name: string,
  { least, where }: { readonly least: number; readonly where: string },
): number {
  const value = fields[name];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= least) return value;
  throw faultOf(where, name, `a whole number of at least ${least}`, value);
}

function isBlockId(id: unknown): boolean {
  return typeof id === "number" && Number.isSafeInteger(id) && id >= 0 && id <= blockIdMax;
}

function faultOf(where: string, field: string, wanted: string, value: unknown): TraceFormatError {
  const shown = value === undefined ? "missing" : JSON.stringify(value).slice(0, 60);
  return new TraceFormatError(`${where}: ${field} must be ${wanted}, not ${shown}`);
}
