import { WarmpathError } from "@warmpath/runtime/base";
import type { Lane } from "../admit/index.ts";
import type { Operation } from "../call/types.ts";
import type { ServingPath } from "../upstream/open.ts";
import type { UpstreamKind } from "../upstream/replica.ts";
import { formatOf } from "../upstream/wire-format.ts";
import { spliceMembers } from "./splice.ts";

/** A request of an API served, read once; its bytes are kept and forwarded. */
export interface ApiRequest {
  /** As the client wrote it; empty when it names none. */
  readonly model: string;
  readonly isStream: boolean;
  /** True when the client asked for the stream's usage event. */
  readonly wantsUsage: boolean;
  readonly answerTokensMax: number | undefined;
  /**
   * The prompt in pieces whose order and equality matter for prefixes: messages, or the whole
   * prompt.
   */
  readonly prefix: readonly string[];
  readonly operation: Operation;
  readonly parsed: Readonly<Record<string, unknown>>;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The operations served, by path: nothing else of an engine can be reached. */
export const operations: Readonly<Record<ServingPath, Operation>> = {
  "/v1/chat/completions": "chat",
  "/v1/completions": "text_completion",
  "/v1/embeddings": "embeddings",
  "/v1/messages": "chat",
  "/v1/messages/count_tokens": "count_tokens",
  "/v1/responses": "chat",
};

/** Reads a body; throws `rejected-invalid` with a sentence for the client. */
export function parseApiRequest(bytes: Uint8Array<ArrayBuffer>, path: ServingPath): ApiRequest {
  const operation = operations[path];
  const parsed = parseObject(bytes);
  const { model, stream } = parsed;
  if (model !== undefined && model !== null && typeof model !== "string") {
    throw invalid("model", "must be a string");
  }
  if (stream !== undefined && stream !== null && typeof stream !== "boolean") {
    throw invalid("stream", "must be a boolean");
  }
  const streamOptions = parsed["stream_options"];
  const maxTokens =
    parsed["max_completion_tokens"] ?? parsed["max_tokens"] ?? parsed["max_output_tokens"];
  return {
    model: model ?? "",
    isStream: stream === true && operation !== "embeddings" && operation !== "count_tokens",
    // Streams of messages and responses end with usage, asked or not.
    wantsUsage:
      formatOf(path) !== "chat" ||
      (isRecord(streamOptions) && streamOptions["include_usage"] === true),
    answerTokensMax: operation === "count_tokens" ? 0 : answerTokensOf(maxTokens),
    prefix: prefixOf(parsed, operation),
    operation,
    parsed,
    bytes,
  };
}

/** The priority class that a client asks for with the `x-warmpath-lane` header. */
export function parseLane(text: string | null): Lane {
  switch (text) {
    case null:
    case "standard":
      return "standard";
    case "interactive":
    case "batch":
      return text;
    default:
      throw invalid("x-warmpath-lane", "must be interactive, standard or batch");
  }
}

/**
 * More than this is not reserved, whatever a request states: 1e999 is legal JSON and reads as
 * infinity, which no bucket comes back from.
 */
const answerTokensReservedMax = 2 ** 31 - 1;

function answerTokensOf(maxTokens: unknown): number | undefined {
  return typeof maxTokens === "number" && maxTokens >= 0
    ? Math.min(Math.ceil(maxTokens), answerTokensReservedMax)
    : undefined;
}

/** Longest cache salt that a client may add to its tenant's. */
const cacheSaltCharsMax = 256;

/**
 * The body for an upstream: the client's bytes, with only what must be ours set in them. The model
 * where a tier or nothing was asked for; usage, so that every stream can be accounted; for vLLM a
 * cache salt that always carries the tenant, so that no timing tells one tenant what another has
 * cached.
 */
export function bodyForUpstream(
  request: ApiRequest,
  options: {
    readonly model: string;
    readonly tenant: string;
    readonly kind: UpstreamKind;
    /** Members that the caller may not send to an engine. */
    readonly removed: readonly string[];
  },
): Uint8Array<ArrayBuffer> {
  const { parsed, bytes, isStream, wantsUsage } = request;
  const streamOptions = parsed["stream_options"];
  const members = {
    ...Object.fromEntries(options.removed.map((name) => [name, undefined])),
    ...(options.model === request.model ? {} : { model: options.model }),
    ...(isStream && !wantsUsage
      ? {
          stream_options: {
            ...(isRecord(streamOptions) ? streamOptions : {}),
            include_usage: true,
          },
        }
      : {}),
    ...(options.kind === "vllm" && isSalted(request)
      ? { cache_salt: cacheSalt(options.tenant, parsed["cache_salt"]) }
      : {}),
  };
  return spliceMembers(bytes, members, parsed);
}

/**
 * Whatever generates is salted, by whatever name its prompt goes. Embeddings of an `input` leave
 * nothing in the prefix cache that a later request could find, and take no salt; nor does counting.
 */
function isSalted({ operation, parsed }: ApiRequest): boolean {
  if (operation === "count_tokens") {
    return false;
  }
  return operation !== "embeddings" || Object.hasOwn(parsed, "messages");
}

/**
 * The tenant's salt, narrowed by the client's own. A tenant's name has no slash, so salts cannot be
 * forged.
 */
export function cacheSalt(tenant: string, own: unknown): string {
  if (own === undefined || own === null) {
    return tenant;
  }
  if (typeof own !== "string" || own === "" || own.length > cacheSaltCharsMax) {
    throw invalid("cache_salt", `must be a string of 1 to ${cacheSaltCharsMax} characters`);
  }
  return `${tenant}/${own}`;
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new WarmpathError("rejected-invalid", "The body is not valid JSON.", { cause: error });
  }
  if (!isRecord(parsed)) {
    throw new WarmpathError("rejected-invalid", "The body must be a JSON object.");
  }
  return parsed;
}

function prefixOf(parsed: Record<string, unknown>, operation: Operation): readonly string[] {
  const pieces = operation === "chat" ? (parsed["messages"] ?? parsed["input"]) : parsed["prompt"];
  if (operation === "embeddings" || operation === "count_tokens" || pieces === undefined) {
    return [];
  }
  // Tools stand before the messages in every chat template: other tools, another prefix.
  // So does what the other APIs keep apart from the messages.
  const tools = [parsed["tools"], parsed["system"], parsed["instructions"]]
    .filter((piece) => piece !== undefined && piece !== null)
    .map((piece) => JSON.stringify(piece));
  const list: readonly unknown[] =
    Array.isArray(pieces) && operation === "chat" ? pieces : [pieces];
  return [...tools, ...list.map((piece) => JSON.stringify(piece))];
}

function invalid(field: string, fault: string): WarmpathError {
  return new WarmpathError("rejected-invalid", `\`${field}\` ${fault}.`, {
    fields: [{ field, fault }],
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
