import { AsyncLocalStorage } from "node:async_hooks";
import type { Context } from "@opentelemetry/api";
import { trace } from "@opentelemetry/api";
import { type LogFields, registerLogFields } from "../base/index.ts";

/** What accompanies the current asynchronous work without being passed along. */
interface Ambient {
  readonly context: Context | undefined;
  readonly fields: LogFields;
}

const storage = new AsyncLocalStorage<Ambient>();

// Every log line carries the ids of the work it belongs to.
registerLogFields(() => {
  const ambient = storage.getStore();
  if (ambient === undefined) {
    return undefined;
  }
  const span = ambient.context === undefined ? undefined : trace.getSpanContext(ambient.context);
  return span === undefined ? ambient.fields : { trace_id: span.traceId, ...ambient.fields };
});

/** The trace context of the current work, if it is traced. */
export function ambientContext(): Context | undefined {
  return storage.getStore()?.context;
}

/** Runs `step` with a trace context; everything it awaits sees that context too. */
export function withContext<T>(context: Context, step: () => T): T {
  return storage.run({ context, fields: storage.getStore()?.fields ?? {} }, step);
}

/** Runs `step` with fields (such as `task_id`) that every log line written inside it carries. */
export function withLogFields<T>(fields: LogFields, step: () => T): T {
  const outer = storage.getStore();
  return storage.run({ context: outer?.context, fields: { ...outer?.fields, ...fields } }, step);
}
