import { afterEach, describe, expect, test } from "bun:test";
import { createMetrics, type Tracing, tracingOff } from "@warmpath/runtime";
import { loadConfig, seededRandom, silentLogger, systemClock } from "@warmpath/runtime/base";
import type { BodySink, HttpAnswer, HttpRequest } from "@warmpath/runtime/http1";
import type { CallMeans } from "../call/open-call.ts";
import { inferenceProxyOptions } from "../config.ts";
import { parseControlPolicy } from "../formats/index.ts";
import { createMeans, type Means } from "../means.ts";
import { type FakeEngine, helloStream, startFakeEngine, streamOf } from "../testing/index.ts";
import { createFlusher } from "./flusher.ts";
import { createHandler } from "./handle.ts";

/*
 * Goal: wherever a caller leaves or something of ours breaks, the place, the limits and the spans of
 * its call are given back, once. Method: a caller that leaves from within each step of a call; what
 * is held is counted from outside.
 */

const ask = { model: "tiny", messages: [{ role: "user", content: "hi" }] };
let engine: FakeEngine;
let means: Means;

afterEach(async () => {
  await means.close();
  await engine.stop();
});

function countedTracing(): Tracing & { readonly opened: number; readonly ended: number } {
  const counts = { opened: 0, ended: 0 };
  return Object.defineProperties(
    {
      ...tracingOff,
      enabled: true,
      open: (name: string, options?: Parameters<Tracing["open"]>[1]) => {
        counts.opened += 1;
        const span = tracingOff.open(name, options);
        return {
          ...span,
          end: () => {
            counts.ended += 1;
          },
        };
      },
    },
    { opened: { get: () => counts.opened }, ended: { get: () => counts.ended } },
  ) as Tracing & { readonly opened: number; readonly ended: number };
}

/** Steps of a call from within which something happens, by the part of the means that they are. */
type Step = (call: CallMeans, happens: () => void) => CallMeans;

const steps: Record<string, Step> = {
  "limits are reserved": (call, happens) => ({
    ...call,
    gates: {
      ...call.gates,
      open: (...given) => {
        happens();
        return call.gates.open(...given);
      },
    },
  }),
  "its place is taken": (call, happens) => ({
    ...call,
    receipts: {
      ...call.receipts,
      open: 0,
      kept: 0,
      decided: (...given) => {
        call.receipts.decided(...given);
        happens();
      },
    },
  }),
  "it is being sent": (call, happens) => ({
    ...call,
    liveness: {
      ...call.liveness,
      begin: (request) => {
        happens();
        return call.liveness.begin(request);
      },
    },
  }),
  "its first event is here": (call, happens) => ({
    ...call,
    // Asked for before there is an open call: what happens now is nobody's to end yet.
    afterwards: (task) => {
      call.afterwards(task);
      happens();
    },
  }),
  "its prompt is kept": (call, happens) => ({
    ...call,
    prompts: {
      ...call.prompts,
      served: (...given) => {
        call.prompts.served(...given);
        happens();
      },
    },
  }),
  "its account is settled": (call, happens) => ({
    ...call,
    receipts: {
      ...call.receipts,
      open: 0,
      kept: 0,
      ended: (...given) => {
        call.receipts.ended(...given);
        happens();
      },
    },
  }),
};

const isBefore: ReadonlySet<string> = new Set([
  "limits are reserved",
  "its place is taken",
  "it is being sent",
]);

async function serve(
  step: Step,
  happens: (leave: () => void) => void,
  { isStream, isShared }: { readonly isStream: boolean; readonly isShared: boolean },
) {
  engine = startFakeEngine();
  engine.answer = () =>
    isStream
      ? streamOf(helloStream)
      : Response.json({ choices: [{ message: {}, finish_reason: "stop" }] });
  const config = {
    ...loadConfig(inferenceProxyOptions, { env: {} }),
    upstreams: [engine.url],
    kvEventsDiscovered: false,
    limits: ["tenant=t concurrency=1"],
  };
  const tracing = countedTracing();
  means = createMeans({
    config,
    log: silentLogger,
    clock: systemClock,
    random: seededRandom(1),
    metrics: createMetrics("inference-proxy"),
    tracing,
    secrets: { variable: () => undefined, file: () => "" },
  });
  const { call, models } = means;
  // An answer that is the same each time is one that others may share while it comes.
  const body = { ...ask, stream: isStream, ...(isShared ? { temperature: 0 } : {}) };
  call.pool.update(engine.name, { healthy: true, models: [{ id: "tiny", contextTokens: 0 }] });
  const left = new AbortController();
  const caller = { tenant: "t", user: "u", keyId: "k", requestsPerMinute: 0 };
  const handlerOf = (used: CallMeans) =>
    createHandler({
      call: used,
      models,
      authenticator: { authenticate: async () => caller, close: () => undefined },
      tracing,
      log: silentLogger,
      bodyBytesMax: 1 << 20,
      controls: parseControlPolicy(config),
      reuse: config,
      flusher: createFlusher({ clock: systemClock, coalesceMs: 0 }),
    });
  const requestOf = (signal: AbortSignal): HttpRequest => ({
    method: "POST",
    url: "http://x/v1/chat/completions",
    path: "/v1/chat/completions",
    headers: new Headers({ authorization: "Bearer x" }),
    signal,
    readBody: async () => new Uint8Array(Buffer.from(JSON.stringify(body))),
    toFetch: () => {
      throw new Error("nobody asks for it");
    },
  });
  const answer = await handlerOf(step(call, () => happens(() => left.abort())))(
    requestOf(left.signal),
  );
  // As a connection does: who has left is written nothing.
  if (!left.signal.aborted) {
    const gone = Promise.withResolvers<void>();
    left.signal.addEventListener("abort", () => gone.resolve());
    await Promise.race([drained(answer), gone.promise]);
  }
  // Its books are closed behind its answer, at the end of the turn.
  await new Promise<void>((resolve) => void setImmediate(resolve));
  const held = {
    places: means.placer.inFlight(engine.name),
    spans: tracing.opened - tracing.ended,
    spansTwice: tracing.ended > tracing.opened,
  };
  const asked = engine.seen.length;
  const next = await handlerOf(call)(requestOf(new AbortController().signal));
  await drained(next);
  return { held, asked, next: next.status };
}

/** Reads an answer to its end. */
function drained(answer: HttpAnswer | Response): Promise<void> {
  return new Promise((resolve) => {
    const { body } = answer;
    if (typeof body !== "function") {
      resolve();
      return;
    }
    const sink: BodySink = {
      write: () => undefined,
      flush: () => undefined,
      end: resolve,
      cut: resolve,
      isFull: false,
      onDrain: undefined,
    };
    body(sink);
  });
}

describe("what a call holds is given back once", () => {
  const forms: Record<string, { readonly isStream: boolean; readonly isShared: boolean }> = {
    "a stream": { isStream: true, isShared: false },
    "a whole answer": { isStream: false, isShared: false },
    "a stream that others may share": { isStream: true, isShared: true },
    "a whole answer that others may share": { isStream: false, isShared: true },
  };
  for (const [form, asking] of Object.entries(forms)) {
    for (const [title, step] of Object.entries(steps)) {
      test(`by a caller of ${form} that leaves while ${title}`, async () => {
        const { held, asked, next } = await serve(step, (leave) => leave(), asking);
        expect(held).toEqual({ places: 0, spans: 0, spansTwice: false });
        // Whoever had left before it was sent is not sent at all.
        expect(asked).toBe(isBefore.has(title) ? 0 : 1);
        expect(next).toBe(200);
      });

      test(`where something breaks in ${form} while ${title}`, async () => {
        const breaks = () => {
          throw new Error("a fault of ours");
        };
        const { held, next } = await serve(step, breaks, asking);
        expect(held).toEqual({ places: 0, spans: 0, spansTwice: false });
        expect(next).toBe(200);
      });
    }
  }
});
