import { WarmpathError } from "@warmpath/runtime/base";
import type { ReuseAsk } from "../call/reuse.ts";
import type { Operation } from "../call/types.ts";
import { type BodyScan, readMember } from "../prompt/index.ts";
import type { ServingPath } from "../upstream/open.ts";
import { questionOf } from "./question.ts";
import { flightKey, membersOf, requestKey } from "./request-key.ts";
import type { CacheMode, SharingMode } from "./types.ts";

/** What the operator has set. */
export interface ReuseSettings {
  readonly answerCache: CacheMode;
  readonly singleFlight: SharingMode;
}

/** What decides whether a request's answer is reused. */
export interface ReuseRequest {
  /** `x-warmpath-cache`; null where the request has none. */
  readonly header: string | null;
  readonly tenant: string;
  readonly path: ServingPath;
  readonly operation: Operation;
  /** The model that serves it. */
  readonly model: string;
  /** Headers that steer the engine, as they are passed on; undefined for none. */
  readonly engineHeaders: Readonly<Record<string, string>> | undefined;
  readonly scan: BodyScan;
}

/** The request's own header, on which it says how its answer may be reused. */
export const cacheHeader = "x-warmpath-cache";

/**
 * How a request's answer may be reused; undefined for not at all. Answers that another try would
 * give differently (a temperature above 0 without a seed) are kept only for those who ask by name.
 * Throws `rejected-invalid` for a header that says none of the modes.
 */
export function chooseReuse(settings: ReuseSettings, request: ReuseRequest): ReuseAsk | undefined {
  const asked = request.header === null ? undefined : parseCacheMode(request.header);
  const mode = asked ?? settings.answerCache;
  if (asked === "off" || (mode === "off" && settings.singleFlight !== "deterministic")) {
    return undefined;
  }
  const isRepeatable =
    request.operation === "embeddings" ||
    request.operation === "count_tokens" ||
    readMember(request.scan, "temperature") === 0 ||
    typeof readMember(request.scan, "seed") === "number";
  const stores = mode !== "off" && (isRepeatable || asked !== undefined);
  const shares =
    (stores && settings.singleFlight !== "off") ||
    (isRepeatable && settings.singleFlight === "deterministic");
  if (!stores && !shares) {
    return undefined;
  }
  const members = membersOf(request.scan);
  if (members === undefined || stateful.some((name) => members.has(name))) {
    return undefined;
  }
  const root = [
    request.tenant,
    request.path,
    request.model,
    ...Object.entries(request.engineHeaders ?? {}).flat(),
  ];
  const wantsMeaning = stores && mode === "semantic" && request.operation === "chat";
  return {
    key: stores ? requestKey(root, members) : flightKey(root, members),
    stores,
    shares,
    question: wantsMeaning ? questionOf(root, members) : undefined,
  };
}

/** Members by which an answer depends on what the engine remembers, or changes it. */
const stateful = ["conversation", "previous_response_id", "background", "container"] as const;

function parseCacheMode(text: string): CacheMode {
  if (text !== "off" && text !== "exact" && text !== "semantic") {
    const fault = "must be exact, semantic or off";
    throw new WarmpathError("rejected-invalid", `\`${cacheHeader}\` ${fault}.`, {
      fields: [{ field: cacheHeader, fault }],
    });
  }
  return text;
}
