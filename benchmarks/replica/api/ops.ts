import type { HttpReply, WholeReply } from "../http/types.ts";
import { listAt } from "../json.ts";
import { type Call, empty, type Handler, json } from "./call.ts";
import { ApiError } from "./errors.ts";
import { readBody } from "./read-body.ts";

/** `GET /v1/models`. */
export function listModels(call: Call): HttpReply {
  const { config, clock, newHexId } = call.context;
  const created = Math.floor(clock.nowMs() / 1000);
  const model = {
    id: config.model,
    object: "model",
    created,
    owned_by: "warmpath-simulated",
    root: config.model,
    parent: null,
    max_model_len: config.maxModelLen,
    permission: [
      {
        id: `modelperm-${newHexId()}`,
        object: "model_permission",
        created,
        allow_create_engine: false,
        allow_sampling: true,
        allow_logprobs: false,
        allow_search_indices: false,
        allow_view: true,
        allow_fine_tuning: false,
        organization: "*",
        group: null,
        is_blocking: false,
      },
    ],
  };
  return json(call, { object: "list", data: [model] });
}

/** `GET /health`, `GET` and `POST /ping`: well until the engine is dead, going down or not. */
export function health(call: Call): HttpReply {
  return { ...empty(call), status: call.context.isEngineDead ? 503 : 200 };
}

/** `GET /load`. */
export function load(call: Call): HttpReply {
  const { config } = call.context;
  return json(call, { server_load: config.serverLoadTracking ? call.context.load : 0 });
}

/** `GET /version`. */
export function version(call: Call): HttpReply {
  return json(call, { version: "0.32.0", simulated: true });
}

/** `GET /metrics`. */
export function metrics(call: Call): WholeReply {
  const { metrics: engineMetrics, httpMetrics, engine } = call.context;
  return {
    status: 200,
    headers: { ...call.headers, "content-type": "text/plain; version=1.0.0; charset=utf-8" },
    body: engineMetrics.text(engine.gauges()) + httpMetrics.text(),
  };
}

/** `GET /kv_event_sources`: by rank, of which a replica is one. */
export function kvEventSources(call: Call): HttpReply {
  const { eventSource } = call.context;
  return json(call, eventSource === undefined ? {} : { "0": eventSource });
}

/** What vLLM serves only in its development mode. */
export const devRoutes: Readonly<Record<string, Readonly<Record<string, Handler>>>> = {
  "/pause": { POST: devOnly((call) => setPaused(call, true, { status: "paused" })) },
  "/resume": { POST: devOnly((call) => setPaused(call, false, { status: "resumed" })) },
  "/is_paused": {
    GET: devOnly((call) => json(call, { is_paused: call.context.engine.isPaused })),
  },
  "/sleep": { POST: devOnly(sleep) },
  "/wake_up": { POST: devOnly(wakeUp) },
  "/is_sleeping": {
    GET: devOnly((call) => json(call, { is_sleeping: call.context.sleepLevel !== undefined })),
  },
  "/reset_prefix_cache": {
    POST: devOnly((call) => json(call, { success: call.context.engine.clearCache() })),
  },
  "/abort_requests": {
    POST: devOnly((call) => {
      // vLLM counts the ids it was given, whether or not they are known.
      const aborted = listAt(readBody(call.http), "request_ids").length;
      return json(call, { status: "aborted", aborted });
    }),
  },
};

function devOnly(handler: Handler): Handler {
  return (call) => {
    if (call.context.config.devMode) return handler(call);
    throw new NotServed();
  };
}

/** Thrown for a path that exists only under a flag which is not set. */
export class NotServed extends ApiError {
  constructor() {
    super(404, "NotFoundError", "Not Found");
    this.name = "NotServed";
  }
}

function setPaused(call: Call, isPaused: boolean, body: object): HttpReply {
  call.context.engine.setPaused(isPaused);
  return json(call, body);
}

function sleep(call: Call): HttpReply {
  const level = Number(call.http.query.get("level") ?? 1);
  call.context.engine.setPaused(true);
  // Weights leave the GPU, and what was cached beside them is gone.
  call.context.engine.clearCache();
  call.context.sleepLevel = level;
  call.context.metrics.setSleepLevel(level);
  return json(call, { status: "sleeping", level });
}

function wakeUp(call: Call): HttpReply {
  call.context.engine.setPaused(false);
  call.context.sleepLevel = undefined;
  call.context.metrics.setSleepLevel(0);
  return json(call, { status: "awake", tags: null });
}
