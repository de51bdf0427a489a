import { isUtf8 } from "node:buffer";
import { WarmpathError } from "@warmpath/runtime/base";
import type { Lane } from "../admit/index.ts";
import type { Operation } from "../call/types.ts";
import {
  findMember,
  type PromptMember,
  type PromptScan,
  type Prompts,
  readMember,
} from "../prompt/index.ts";
import type { ServingPath } from "../upstream/open.ts";
import type { UpstreamKind } from "../upstream/replica.ts";
import type { RequestBody } from "../upstream/request-body.ts";
import { formatOf } from "../upstream/wire-format.ts";
import { spliceMembers } from "./splice.ts";

/** A request of an API served, scanned once; its bytes are kept and forwarded. */
export interface ApiRequest {
  /** As the client wrote it; empty when it names none. */
  readonly model: string;
  readonly isStream: boolean;
  /** True when the client asked for the stream's usage event. */
  readonly wantsUsage: boolean;
  readonly answerTokensMax: number | undefined;
  /** The cache salt for engines that have one: the tenant's, narrowed by the client's own. */
  readonly salt: string | undefined;
  readonly operation: Operation;
  readonly scan: PromptScan;
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

/** Where each path's prompt is; embeddings and counts leave nothing worth finding again. */
const promptMembers: Readonly<Record<ServingPath, PromptMember>> = {
  "/v1/chat/completions": "messages",
  "/v1/completions": "prompt",
  "/v1/embeddings": "",
  "/v1/messages": "messages",
  "/v1/messages/count_tokens": "",
  "/v1/responses": "input",
};

/**
 * By which members each path bounds its answer. A name of another path's means nothing there, and
 * would have an answer without bound pass for a short one.
 */
const answerTokensMembers: Readonly<Record<ServingPath, readonly string[]>> = {
  "/v1/chat/completions": ["max_completion_tokens", "max_tokens"],
  "/v1/completions": ["max_tokens"],
  "/v1/embeddings": [],
  "/v1/messages": ["max_tokens"],
  "/v1/messages/count_tokens": [],
  "/v1/responses": ["max_output_tokens"],
};

/**
 * Reads a body; throws `rejected-invalid` with a sentence for the client. Only what the proxy
 * itself decides by is read: what is wrong inside messages is the engine's to say.
 */
export function parseApiRequest(
  bytes: Uint8Array<ArrayBuffer>,
  options: {
    readonly path: ServingPath;
    readonly tenant: string;
    readonly prompts: Prompts;
  },
): ApiRequest {
  const { path, tenant, prompts } = options;
  const operation = operations[path];
  if (!isUtf8(bytes)) {
    // Engines differ in what they make of broken characters, and so in where a string ends.
    throw new WarmpathError("rejected-invalid", "The body is not valid JSON: it is not UTF-8.");
  }
  const scan = prompts.scan(bytes, tenant, promptMembers[path]);
  const model = readMember(scan, "model");
  const stream = readMember(scan, "stream");
  if (model !== undefined && model !== null && typeof model !== "string") {
    throw invalid("model", "must be a string");
  }
  if (stream !== undefined && stream !== null && typeof stream !== "boolean") {
    throw invalid("stream", "must be a boolean");
  }
  const streamOptions = readMember(scan, "stream_options");
  return {
    model: model ?? "",
    isStream: stream === true && operation !== "embeddings" && operation !== "count_tokens",
    // Streams of messages and responses end with usage, asked or not.
    wantsUsage:
      formatOf(path) !== "chat" ||
      (isRecord(streamOptions) && streamOptions["include_usage"] === true),
    answerTokensMax: operation === "count_tokens" ? 0 : answerTokensMaxOf(scan, path),
    salt: isSalted(operation, scan) ? cacheSalt(tenant, readMember(scan, "cache_salt")) : undefined,
    operation,
    scan,
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

/** Of several bounds the largest: engines differ in which one they hear. */
function answerTokensMaxOf(scan: PromptScan, path: ServingPath): number | undefined {
  let max: number | undefined;
  for (const name of answerTokensMembers[path]) {
    const stated = answerTokensOf(readMember(scan, name));
    max = stated === undefined || (max !== undefined && max > stated) ? max : stated;
  }
  return max;
}

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
    readonly kind: UpstreamKind;
    /** Members that the caller may not send to an engine. */
    readonly removed: readonly string[];
  },
): RequestBody {
  const { scan, isStream, wantsUsage, salt } = request;
  const members: Record<string, unknown> = {};
  for (const name of options.removed) {
    members[name] = undefined;
  }
  if (options.model !== request.model) {
    members["model"] = options.model;
  }
  if (isStream && !wantsUsage) {
    const given = readMember(scan, "stream_options");
    members["stream_options"] = { ...(isRecord(given) ? given : {}), include_usage: true };
  }
  const hasOwn = findMember(scan, "cache_salt") !== undefined;
  if (hasOwn || (options.kind === "vllm" && salt !== undefined)) {
    // As it is, a client's own could be any tenant's, and an engine that is not known to be a vLLM
    // may have salts too. Without one of ours it is taken out.
    members["cache_salt"] = salt;
  }
  return spliceMembers(scan, members);
}

/**
 * Whatever generates is salted, by whatever name its prompt goes. Embeddings of an `input` leave
 * nothing in the prefix cache that a later request could find, and take no salt; nor does counting.
 */
function isSalted(operation: Operation, scan: PromptScan): boolean {
  if (operation === "count_tokens") {
    return false;
  }
  return operation !== "embeddings" || findMember(scan, "messages") !== undefined;
}

/**
 * The tenant's salt, narrowed by the client's own. A tenant's name has no slash, so salts cannot be
 * forged.
 */
function cacheSalt(tenant: string, own: unknown): string {
  if (own === undefined || own === null) {
    return tenant;
  }
  if (typeof own !== "string" || own === "" || own.length > cacheSaltCharsMax) {
    throw invalid("cache_salt", `must be a string of 1 to ${cacheSaltCharsMax} characters`);
  }
  return `${tenant}/${own}`;
}

function invalid(field: string, fault: string): WarmpathError {
  return new WarmpathError("rejected-invalid", `\`${field}\` ${fault}.`, {
    fields: [{ field, fault }],
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
