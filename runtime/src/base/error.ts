import { type Code, type Reason, type Retry, reasons, type Source } from "./reasons.ts";

/** One fault of one input field: where, and a sentence saying what is wrong. */
export interface FieldFault {
  /** Path of the field as the caller spells it, such as `message.text`. */
  readonly field: string;
  readonly fault: string;
}

/** What an error may carry beside its reason and sentence. */
export interface ErrorOptions {
  readonly cause?: unknown;
  /** Earliest useful time to try again, in milliseconds from now. */
  readonly retryAfterMs?: number | undefined;
  readonly fields?: readonly FieldFault[] | undefined;
}

/**
 * The one error class. Its reason fixes code, source and retry (see `reasons`), so callers branch
 * on these and never on the text of a message, which is written for people.
 */
export class WarmpathError extends Error {
  readonly reason: Reason;
  readonly code: Code;
  readonly source: Source;
  readonly retry: Retry;
  readonly retryAfterMs: number | undefined;
  readonly fields: readonly FieldFault[];

  constructor(reason: Reason, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "WarmpathError";
    this.reason = reason;
    const row = reasons[reason];
    this.code = row.code;
    this.source = row.source;
    this.retry = row.retry;
    this.retryAfterMs = options.retryAfterMs;
    this.fields = options.fields ?? [];
  }

  /**
   * The one conversion of a caught value. Our own errors pass through; an abort becomes
   * `failed-cancelled`, a timeout `failed-timeout`; an error of the RPC layer is read by the
   * converter that layer registered; all else is a fault of ours and keeps the original as its
   * cause.
   */
  static from(thrown: unknown): WarmpathError {
    if (thrown instanceof WarmpathError) {
      return thrown;
    }
    for (const convert of converters) {
      const converted = convert(thrown);
      if (converted !== undefined) {
        return converted;
      }
    }
    if (thrown instanceof Error && thrown.name === "AbortError") {
      return new WarmpathError("failed-cancelled", "the call was cancelled", { cause: thrown });
    }
    if (thrown instanceof Error && thrown.name === "TimeoutError") {
      return new WarmpathError("failed-timeout", "the deadline passed", { cause: thrown });
    }
    return new WarmpathError("failed-internal", "internal error", { cause: thrown });
  }
}

type Convert = (thrown: unknown) => WarmpathError | undefined;

const converters: Convert[] = [];

/**
 * Teaches {@link WarmpathError.from} one more foreign error class; each library is taught once, at
 * import.
 */
export function registerErrorConverter(convert: Convert): void {
  converters.push(convert);
}

/**
 * What an aborted signal's reason means to whoever was called: a deadline that passed, or a caller
 * that left. It may have left with any error of its own, which is no fault of the called.
 */
export function errorOfAbort(reason: unknown): WarmpathError {
  const error = WarmpathError.from(reason);
  return error.reason === "failed-internal"
    ? new WarmpathError("failed-cancelled", "the caller stopped", { cause: reason })
    : error;
}

/** The sentence of any thrown value, for logs and `detail` fields; never throws. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
