/** The sixteen status codes of gRPC and Connect, by their Connect names. */
export type Code =
  | "canceled"
  | "unknown"
  | "invalid_argument"
  | "deadline_exceeded"
  | "not_found"
  | "already_exists"
  | "permission_denied"
  | "resource_exhausted"
  | "failed_precondition"
  | "aborted"
  | "out_of_range"
  | "unimplemented"
  | "internal"
  | "unavailable"
  | "data_loss"
  | "unauthenticated";

/** Whose fault a failure is: the caller's, this process's, or something this process called. */
export type Source = "client" | "self" | "upstream";

/**
 * Whether the same call may be made again: never, only when it surely was not acted on
 * ("if-unsent"), or at any time because it had no effect or is idempotent ("safe").
 */
export type Retry = "never" | "if-unsent" | "safe";

/** What a reason fixes about every error that carries it. */
export interface ReasonRow {
  readonly code: Code;
  readonly source: Source;
  readonly retry: Retry;
  /** One sentence for the reference of errors. */
  readonly doc: string;
}

/** `facts` is code, source and retry, in one literal so that a row stays readable at a glance. */
function row(facts: `${Code} ${Source} ${Retry}`, doc: string): ReasonRow {
  // The template type admits nothing but these three words.
  const [code, source, retry] = facts.split(" ") as [Code, Source, Retry];
  return { code, source, retry, doc };
}

/**
 * Every reason an error can have, and what follows from it. Searching for a reason string leads
 * here and to the one place that throws it. `rejected-`: refused before anything was done.
 * `failed-`: begun and not finished. `evicted-`: taken away from whoever held it.
 */
export const reasons = {
  "rejected-unauthenticated": row(
    "unauthenticated client never",
    "The call carries no credential, or one that is not valid.",
  ),
  "rejected-unsigned": row(
    "unauthenticated client never",
    "The principal is missing, not signed by us, altered or expired.",
  ),
  "rejected-permission": row(
    "permission_denied client never",
    "The caller is known and may not do this.",
  ),
  "rejected-invalid": row(
    "invalid_argument client never",
    "The request breaks its rules; the fields say where.",
  ),
  "rejected-too-large": row(
    "resource_exhausted client never",
    "The request is larger than the receiver accepts.",
  ),
  "rejected-not-found": row(
    "not_found client never",
    "There is no such thing, or it belongs to another tenant.",
  ),
  "rejected-unknown-agent": row(
    "not_found client never",
    "No worker offers an agent of this name.",
  ),
  "rejected-no-model": row("not_found client never", "No upstream serves a model of this name."),
  "rejected-unimplemented": row(
    "unimplemented client never",
    "The server does not offer this method or protocol.",
  ),
  "rejected-already-exists": row(
    "already_exists client never",
    "A thing of this identity exists already.",
  ),
  "rejected-idempotency-conflict": row(
    "already_exists client never",
    "The idempotency key was used with another request.",
  ),
  "rejected-task-ended": row(
    "failed_precondition client never",
    "The task has ended and takes no more input.",
  ),
  "rejected-precondition": row(
    "failed_precondition client never",
    "The thing is not in a state in which this can be done.",
  ),
  "rejected-cursor": row(
    "invalid_argument client never",
    "The cursor or page token was not made by this server for this query.",
  ),
  "rejected-poison": row(
    "failed_precondition client never",
    "The engines that were given this request ended; it is not tried again.",
  ),
  "rejected-over-limit": row(
    "resource_exhausted client safe",
    "The caller's rate is used up; the error says when to retry.",
  ),
  "rejected-concurrency-limit": row(
    "resource_exhausted client safe",
    "The caller has as many tasks or requests open as it may.",
  ),
  "rejected-conversation-limit": row(
    "resource_exhausted client never",
    "The conversation is as long as it may become.",
  ),
  "rejected-budget": row(
    "resource_exhausted client never",
    "The budget of one of the call's scopes is spent.",
  ),
  "rejected-queue-full": row(
    "resource_exhausted self safe",
    "A bounded queue is full; the error says when to retry.",
  ),
  "rejected-deadline": row(
    "deadline_exceeded client never",
    "The deadline would pass before the work could begin.",
  ),
  "rejected-no-replica": row(
    "unavailable upstream safe",
    "No replica that serves the model is healthy.",
  ),
  "rejected-unavailable": row(
    "unavailable self safe",
    "Something this service stands on is not there; nothing was done.",
  ),
  "rejected-draining": row(
    "unavailable self safe",
    "The process is shutting down and takes no new work.",
  ),
  "rejected-address": row(
    "permission_denied client never",
    "The address is private, or not on the allow-list.",
  ),
  "rejected-config": row(
    "invalid_argument self never",
    "The configuration has faults; all of them are listed.",
  ),
  "rejected-agent-spec": row(
    "invalid_argument client never",
    "An agent's specification has faults; file and line are listed.",
  ),
  "rejected-port-busy": row(
    "failed_precondition self never",
    "Another process listens on the port.",
  ),
  "rejected-data-dir-in-use": row(
    "failed_precondition self never",
    "Another process holds the data directory.",
  ),
  "rejected-migration": row(
    "failed_precondition self never",
    "An applied migration differs from the one in the code.",
  ),
  "rejected-tool-not-listed": row(
    "permission_denied client never",
    "The agent does not list the tool the model asked for.",
  ),
  "rejected-tool-arguments": row(
    "invalid_argument client never",
    "The tool's arguments break its JSON Schema.",
  ),
  "failed-internal": row("internal self never", "A fault of this code; the log holds the cause."),
  "failed-unavailable": row(
    "unavailable upstream if-unsent",
    "The connection failed while the call was under way.",
  ),
  "failed-upstream": row(
    "unavailable upstream if-unsent",
    "An upstream answered with an error of its own.",
  ),
  "failed-upstream-rejected": row(
    "failed_precondition upstream never",
    "An upstream refused the request; repeating it would not help.",
  ),
  "failed-upstream-busy": row(
    "resource_exhausted upstream safe",
    "An upstream has no room now; the error says when to retry.",
  ),
  "failed-upstream-cut": row(
    "unavailable upstream never",
    "An upstream's stream ended before its end mark; what was sent stands.",
  ),
  "failed-upstream-protocol": row(
    "internal upstream never",
    "An upstream answered with something its protocol does not allow.",
  ),
  "failed-timeout": row(
    "deadline_exceeded self if-unsent",
    "The deadline passed before the work was done.",
  ),
  "failed-cancelled": row("canceled client never", "The caller cancelled or went away."),
  "failed-aborted": row(
    "aborted self safe",
    "Concurrent changes collided; none of this one was kept.",
  ),
  "failed-store": row(
    "unavailable upstream if-unsent",
    "The database failed while the statement was under way.",
  ),
  "failed-data-loss": row(
    "data_loss self never",
    "Stored data is missing or does not match its hash.",
  ),
  "failed-unknown": row("unknown upstream never", "A callee failed without saying why."),
  "failed-out-of-range": row(
    "out_of_range client never",
    "A position lies past the end of what is there.",
  ),
  "failed-step-limit": row(
    "failed_precondition client never",
    "The run took as many steps as its agent may take.",
  ),
  "failed-depth-limit": row(
    "failed_precondition client never",
    "Delegation went as deep as it may go.",
  ),
  "failed-loop": row(
    "failed_precondition client never",
    "The run repeats itself without progress.",
  ),
  "failed-output-limit": row(
    "failed_precondition client never",
    "The model's answer was cut at its token limit.",
  ),
  "failed-context-length": row(
    "failed_precondition client never",
    "The prompt does not fit the model's context.",
  ),
  "failed-run": row(
    "failed_precondition self never",
    "The run ended without an answer; the message says why.",
  ),
  "failed-tool": row("failed_precondition upstream never", "A tool failed without effect."),
  "failed-tool-timeout": row("deadline_exceeded upstream never", "A tool did not answer in time."),
  "failed-tool-unknown": row("unknown upstream never", "Nobody knows whether a tool took effect."),
  "failed-child": row(
    "failed_precondition self never",
    "A child process or child task ended without success.",
  ),
  "evicted-lease-lost": row(
    "aborted self never",
    "Another worker holds the task now; nothing of this write was kept.",
  ),
  "evicted-slow-consumer": row(
    "resource_exhausted client safe",
    "The watcher fell too far behind; resume from the last cursor.",
  ),
} as const satisfies Record<`${"rejected" | "failed" | "evicted"}-${string}`, ReasonRow>;

/** Name of a row in {@link reasons}; the word operators search for. */
export type Reason = keyof typeof reasons;

/** True for text that names a row, for reasons that arrive over the wire. */
export function isReason(text: string): text is Reason {
  return Object.hasOwn(reasons, text);
}

const reasonByCode: Record<Code, Reason> = {
  canceled: "failed-cancelled",
  unknown: "failed-unknown",
  invalid_argument: "rejected-invalid",
  deadline_exceeded: "failed-timeout",
  not_found: "rejected-not-found",
  already_exists: "rejected-already-exists",
  permission_denied: "rejected-permission",
  resource_exhausted: "rejected-over-limit",
  failed_precondition: "rejected-precondition",
  aborted: "failed-aborted",
  out_of_range: "failed-out-of-range",
  unimplemented: "rejected-unimplemented",
  internal: "failed-internal",
  unavailable: "failed-unavailable",
  data_loss: "failed-data-loss",
  unauthenticated: "rejected-unauthenticated",
};

/** The reason for an error of a foreign server that told us only a status code. */
export function reasonForCode(code: Code): Reason {
  return reasonByCode[code];
}
