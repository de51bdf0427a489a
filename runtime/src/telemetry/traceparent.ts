import {
  type Context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type SpanContext,
  trace,
} from "@opentelemetry/api";

/** Header and metadata key of the W3C trace context. */
export const traceparentHeader = "traceparent";

const pattern = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** The context a remote caller sent, or undefined when it sent none or a malformed one. */
export function contextFromTraceparent(text: string | null | undefined): Context | undefined {
  const match = text === null || text === undefined ? null : pattern.exec(text);
  if (match === null) {
    return undefined;
  }
  const [, traceId = "", spanId = "", flags = "00"] = match;
  const remote: SpanContext = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
  };
  return isSpanContextValid(remote) ? trace.setSpanContext(ROOT_CONTEXT, remote) : undefined;
}

/** The header value for the span of a context, or undefined when it has none. */
export function traceparentFromContext(context: Context): string | undefined {
  const span = trace.getSpanContext(context);
  if (span === undefined || !isSpanContextValid(span)) {
    return undefined;
  }
  return `00-${span.traceId}-${span.spanId}-${span.traceFlags.toString(16).padStart(2, "0")}`;
}
