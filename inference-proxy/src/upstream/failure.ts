import { WarmpathError } from "@warmpath/runtime/base";

/** How an attempt failed before anything of its answer was handed on. */
export type FailureKind =
  /** No connection: the upstream has not seen the request. */
  | "unreachable"
  /** The upstream said that it has no room: it did nothing. */
  | "busy"
  /** The upstream said that it is going away: it did nothing, and takes nothing more. */
  | "leaving"
  /** Its engine died or its connection broke: the request itself may be the reason. */
  | "died"
  /** It lives, and answered this request with an error of its own or gave it up. */
  | "failed"
  /** It answered outside the protocol. */
  | "garbled"
  /** Nothing came in time. */
  | "timeout"
  /** The upstream refuses us, whatever the request: a wrong key, a redirect, a body without end. */
  | "refused";

/** A failed attempt. */
export interface AttemptFailure {
  readonly kind: FailureKind;
  /** One sentence, without credentials. */
  readonly message: string;
  readonly retryAfterMs: number | undefined;
}

/** The error for the caller when no further attempt is made. */
export function errorOfFailure(
  failure: AttemptFailure,
  replica: string,
  retryAfterMsDefault: number,
): WarmpathError {
  const message = `upstream ${replica}: ${failure.message}`;
  const retryAfterMs = failure.retryAfterMs ?? retryAfterMsDefault;
  switch (failure.kind) {
    case "unreachable":
      return new WarmpathError("rejected-no-replica", message, { retryAfterMs });
    case "busy":
    case "leaving":
      return new WarmpathError("failed-upstream-busy", message, { retryAfterMs });
    case "died":
    case "failed":
      return new WarmpathError("failed-upstream", message, { retryAfterMs });
    case "timeout":
      return new WarmpathError("failed-timeout", message);
    case "garbled":
      return new WarmpathError("failed-upstream-protocol", message);
    case "refused":
      return new WarmpathError("failed-upstream-rejected", message);
  }
}

/**
 * What a status that is not a success means; undefined when it is the client's own fault, to be
 * handed on.
 */
export function failureOfStatus(
  status: number,
  message: string,
  retryAfter: string | null,
): AttemptFailure | undefined {
  const retryAfterMs = parseRetryAfterMs(retryAfter);
  if (status === 401 || status === 403) {
    return {
      kind: "refused",
      message: `it does not accept our key (status ${status})`,
      retryAfterMs,
    };
  }
  // 529 is what Anthropic answers when all of its servers are busy.
  if (status === 429 || status === 503 || status === 529) {
    return { kind: "busy", message, retryAfterMs };
  }
  // What vLLM answers to new requests while it shuts down: nothing was begun.
  if (status === 500 && message.includes("cannot schedule new futures")) {
    return { kind: "leaving", message: "it is shutting down", retryAfterMs };
  }
  if (status >= 500) {
    const kind = deadEngine.test(message) ? "died" : "failed";
    return { kind, message: `it answered ${status}: ${message}`, retryAfterMs };
  }
  if (status < 400) {
    return { kind: "refused", message: `it answered with status ${status}`, retryAfterMs };
  }
  return undefined;
}

/** What vLLM's API server tells the requests that were in flight when its engine process died. */
const deadEngine = /EngineCore|EngineDead/;

/** Longer than this nobody is told to wait: what takes a day may as well be asked for sooner. */
const retryAfterMsMax = 86_400_000;

/** Seconds, as engines and providers send them; the date form is not used by any of them. */
function parseRetryAfterMs(header: string | null): number | undefined {
  const seconds = header === null ? Number.NaN : Number(header);
  return seconds >= 0 ? Math.min(Math.ceil(seconds * 1000), retryAfterMsMax) : undefined;
}

/** What an exception of `fetch` or of reading its body means. */
export function failureOfThrown(thrown: unknown): AttemptFailure {
  const code = codeOf(thrown);
  if (thrown instanceof ReferenceError || (thrown instanceof TypeError && code === "")) {
    // A fault of this code must not be taken for one of the network, which always has a code.
    throw thrown;
  }
  const isUnsent = unsentCodes.has(code);
  return {
    kind: isUnsent ? "unreachable" : "died",
    message: isUnsent
      ? `no connection (${code})`
      : `the connection broke (${code === "" ? String(thrown) : code})`,
    retryAfterMs: undefined,
  };
}

/** Error codes of Bun's fetch for a connection that never stood. */
const unsentCodes: ReadonlySet<string> = new Set([
  "ConnectionRefused",
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "FailedToOpenSocket",
]);

function codeOf(thrown: unknown): string {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  return typeof code === "string" ? code : "";
}
