import type { ConnectError, Interceptor } from "@connectrpc/connect";
import { type Clock, errorOfAbort, type Logger, WarmpathError } from "../base/index.ts";
import { attributes } from "../telemetry/attributes.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { OpenSpan, Tracing } from "../telemetry/tracing.ts";
import { abortable, raceAbort } from "./race-abort.ts";
import { connectErrorFromWarmpath } from "./rescue.ts";
import { createRpcMetrics, type RpcMetrics } from "./rpc-metrics.ts";

/** What a server watches its calls with. */
export interface ObserveOptions {
  readonly metrics: Metrics;
  readonly tracing: Tracing;
  readonly log: Logger;
  readonly clock: Clock;
}

/**
 * The outermost layer of every served call, and the same for calls refused before their body was
 * read.
 */
export interface Observer {
  readonly interceptor: Interceptor;
  /** Counts a refusal, and gives it the form in which it leaves. */
  refuse(method: string, error: unknown): ConnectError;
}

/**
 * Times, counts and traces each call, bounds it by its deadline and by its caller's presence, and
 * turns whatever it throws into wire form. Errors that are ours are logged here, once, with their
 * cause.
 */
export function createObserver(options: ObserveOptions): Observer {
  const metrics = createRpcMetrics(options.metrics);
  const interceptor: Interceptor = (next) => async (request) => {
    const call = openCall(options, metrics, methodName(request), request);
    const { signal } = request;
    try {
      const response = await raceAbort(
        signal,
        call.run(() => next(request)),
      );
      if (!response.stream) {
        call.end(undefined);
        return response;
      }
      // Whoever takes the items may just stop asking; the signal always aborts in the end.
      signal.addEventListener("abort", () => call.end(signal.reason), { once: true });
      return { ...response, message: watched(call, abortable(signal, response.message)) };
    } catch (error) {
      throw call.end(error);
    }
  };
  return {
    interceptor,
    refuse(method, thrown) {
      const error = WarmpathError.from(thrown);
      metrics.durationSeconds.observe({ method, code: error.code }, 0);
      return rescued(options.log, method, error);
    },
  };
}

interface OpenCall {
  run<T>(step: () => T): T;
  /** Ends the call, once, and gives its error the form in which it leaves. */
  end(error: unknown): ConnectError | undefined;
}

function openCall(
  { clock, log, tracing }: ObserveOptions,
  metrics: RpcMetrics,
  method: string,
  { header, signal }: { readonly header: Headers; readonly signal: AbortSignal },
): OpenCall {
  const startMs = clock.monotonicMs();
  const span: OpenSpan = tracing.open(method, {
    kind: "server",
    parent: tracing.contextFrom(header),
    attributes: { [attributes.rpcSystem]: "grpc", [attributes.rpcMethod]: method },
  });
  let ended = false;
  metrics.active.inc({ method });
  return {
    run: span.run,
    end(thrown) {
      const error = thrown === undefined ? undefined : errorOf(signal, thrown);
      const isFirst = !ended;
      if (isFirst) {
        ended = true;
        metrics.active.dec({ method });
        const seconds = (clock.monotonicMs() - startMs) / 1000;
        metrics.durationSeconds.observe({ method, code: error?.code ?? "ok" }, seconds);
        span.end(error);
      }
      if (error === undefined) {
        return undefined;
      }
      // The signal of a call aborts at its end as well: that is no second end to tell of.
      return isFirst
        ? span.run(() => rescued(log, method, error))
        : connectErrorFromWarmpath(error);
    },
  };
}

function rescued(log: Logger, method: string, error: WarmpathError): ConnectError {
  if (error.source === "self" && error.reason.startsWith("failed-")) {
    log.error("call failed", { method, error });
  } else {
    log.debug("call refused", { method, reason: error.reason, detail: error.message });
  }
  return connectErrorFromWarmpath(error);
}

/** When the call was cut short, what cut it says more than what broke because of it. */
function errorOf(signal: AbortSignal, thrown: unknown): WarmpathError {
  const ours = thrown instanceof WarmpathError && thrown.reason !== "failed-internal";
  if (ours || !signal.aborted) {
    return WarmpathError.from(thrown);
  }
  return errorOfAbort(signal.reason);
}

function methodName(request: { service: { typeName: string }; method: { name: string } }): string {
  return `${request.service.typeName}/${request.method.name}`;
}

/**
 * Items of a streamed answer: each step runs inside the call's context, and the call ends with the
 * last.
 */
function watched<T>(call: OpenCall, source: AsyncIterable<T>): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = source[Symbol.asyncIterator]();
      const failed = (error: unknown) => call.end(error) ?? error;
      return {
        async next() {
          try {
            const item = await call.run(() => iterator.next());
            if (item.done === true) {
              call.end(undefined);
            }
            return item;
          } catch (error) {
            throw failed(error);
          }
        },
        // The receiver went away: the source is told, and its wind-down is part of the call.
        async return() {
          call.end(new WarmpathError("failed-cancelled", "the caller went away"));
          await call.run(() => iterator.return?.());
          return { done: true, value: undefined };
        },
        async throw(error: unknown) {
          call.end(new WarmpathError("failed-cancelled", "the caller went away", { cause: error }));
          await call.run(() => iterator.return?.());
          throw error;
        },
      };
    },
  };
}
