import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-grpc";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { WarmpathError } from "../base/index.ts";
import { ambientContext, withContext } from "./ambient.ts";
import { attributes } from "./attributes.ts";
import {
  contextFromTraceparent,
  traceparentFromContext,
  traceparentHeader,
} from "./traceparent.ts";

export type { Attributes, Context, Span };

/** Side of a call that a span describes. */
export type TraceKind = "internal" | "server" | "client" | "producer" | "consumer";

/** What a span starts with. */
export interface SpanOptions {
  readonly kind?: TraceKind;
  readonly attributes?: Attributes;
  /** Parent context; default: that of the current asynchronous work. */
  readonly parent?: Context | undefined;
}

/** A span that the caller ends itself, for work that outlives one function, such as a stream. */
export interface OpenSpan {
  readonly span: Span;
  /** Runs one step of the work with this span as the current one. */
  run<T>(step: () => T): T;
  /** Ends the span, once; with an error it is marked failed by the error's reason. */
  end(error?: unknown): void;
}

/** Traces of one service. Off means: no spans, no propagation of its own, next to no cost. */
export interface Tracing {
  readonly enabled: boolean;
  /** Runs `work` in a span that ends with it and is marked failed when it throws. */
  span<T>(name: string, options: SpanOptions, work: (span: Span) => Promise<T>): Promise<T>;
  /** Starts a span that the caller must end. */
  open(name: string, options?: SpanOptions): OpenSpan;
  /**
   * Headers that carry the current context to an upstream; pass-through even when tracing is off.
   */
  headers(context?: Context): Record<string, string>;
  /** The caller's context out of its headers. */
  contextFrom(headers: { get(name: string): string | null }): Context | undefined;
  /** Id of the current trace, or "" when there is none; stored with events. */
  traceId(): string;
  /** Sends what is buffered and stops. */
  close(): Promise<void>;
}

/** Where and how spans are sent. */
export interface TracingOptions {
  readonly service: string;
  /** OTLP/gRPC collector, such as http://127.0.0.1:4317; absent: tracing is off. */
  readonly otlpUrl?: string | undefined;
  /**
   * Longest wait before a batch is sent. Default 1000 ms: soon enough to look at while it is fresh.
   */
  readonly batchDelayMs?: number;
}

/**
 * Spans kept while the collector is away; more are dropped. 2048 is the SDK's default: a few MB at
 * most.
 */
const maxQueuedSpans = 2048;
const maxSpansPerBatch = 512;
/** A collector that does not answer costs us at most this long at shutdown. */
const exportTimeoutMs = 5000;

const kinds: Record<TraceKind, SpanKind> = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
};

/** Traces for one service, off until a collector is configured. */
export function createTracing(options: TracingOptions): Tracing {
  if (options.otlpUrl === undefined) {
    return tracingOff;
  }
  const exporter = new OTLPTraceExporter({ url: options.otlpUrl, timeoutMillis: exportTimeoutMs });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      "service.name": `warmpath-${options.service}`,
      "service.namespace": "warmpath",
    }),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter,
        maxQueueSize: maxQueuedSpans,
        maxExportBatchSize: maxSpansPerBatch,
        scheduledDelayMillis: options.batchDelayMs ?? 1000,
        exportTimeoutMillis: exportTimeoutMs,
      }),
    ],
  });
  const open = openerOf(provider.getTracer("warmpath"));
  return {
    enabled: true,
    open,
    async span(name, spanOptions, work) {
      const opened = open(name, spanOptions);
      try {
        const result = await opened.run(() => work(opened.span));
        opened.end();
        return result;
      } catch (error) {
        opened.end(error);
        throw error;
      }
    },
    headers: currentHeaders,
    contextFrom: (headers) => contextFromTraceparent(headers.get(traceparentHeader)),
    traceId: currentTraceId,
    // A collector that is away must not keep the process from ending well.
    close: () => provider.shutdown().catch(() => undefined),
  };
}

function openerOf(tracer: Tracer): Tracing["open"] {
  return (name, options = {}) => {
    const parent = options.parent ?? ambientContext() ?? ROOT_CONTEXT;
    const span = tracer.startSpan(
      name,
      { kind: kinds[options.kind ?? "internal"], attributes: options.attributes ?? {} },
      parent,
    );
    const context = trace.setSpan(parent, span);
    return {
      span,
      run: (step) => withContext(context, step),
      end(error) {
        if (error !== undefined) {
          const { reason, message } = WarmpathError.from(error);
          span.setAttribute(attributes.errorType, reason);
          span.setStatus({ code: SpanStatusCode.ERROR, message });
        }
        span.end();
      },
    };
  };
}

const noSpan = trace.wrapSpanContext({ traceId: "", spanId: "", traceFlags: 0 });

const noOpenSpan: OpenSpan = { span: noSpan, run: (step) => step(), end: () => undefined };

/**
 * The tracing that records nothing; a caller's trace context still passes through to what it calls.
 */
export const tracingOff: Tracing = {
  enabled: false,
  span: (_name, _options, work) => work(noSpan),
  open(_name, options) {
    const parent = options?.parent ?? ambientContext();
    return parent === undefined
      ? noOpenSpan
      : { span: noSpan, run: (step) => withContext(parent, step), end: () => undefined };
  },
  headers: currentHeaders,
  contextFrom: (headers) => contextFromTraceparent(headers.get(traceparentHeader)),
  traceId: currentTraceId,
  close: () => Promise.resolve(),
};

function currentHeaders(context = ambientContext()): Record<string, string> {
  const traceparent = context === undefined ? undefined : traceparentFromContext(context);
  return traceparent === undefined ? {} : { [traceparentHeader]: traceparent };
}

function currentTraceId(): string {
  const context = ambientContext();
  return (context === undefined ? undefined : trace.getSpanContext(context)?.traceId) ?? "";
}
