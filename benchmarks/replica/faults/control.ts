import { type Call, type Handler, json } from "../api/call.ts";
import { ApiError, badRequest } from "../api/errors.ts";
import { parseBody } from "../api/read-body.ts";
import type { JsonObject } from "../types.ts";
import { faultSettingsFrom } from "./fault-settings.ts";

/** Paths that are no engine's: through them a test breaks the replica. */
export const controlPrefix = "/_sim/";

/** How a replica goes down before it starts again with an empty cache. */
export type RestartKind =
  /** Every connection is cut and the port closes at once. */
  | "kill"
  /** The engine dies under a living API server: answers end with a 500, then the port closes. */
  | "engine-death"
  /** vLLM's SIGTERM without a shutdown timeout: the port closes, what runs hangs without a word. */
  | "sigterm";

const restartKinds: readonly RestartKind[] = ["kill", "engine-death", "sigterm"];

const downMsMax = 3_600_000;

/** The control endpoints; every one of them is refused without `--allow-faults`. */
export const controlRoutes: Readonly<Record<string, Readonly<Record<string, Handler>>>> = {
  [`${controlPrefix}faults`]: {
    GET: allowed((call) => json(call, call.context.faults.settings)),
    POST: allowed(setFaults),
    DELETE: allowed((call) => {
      call.context.faults.clear();
      return json(call, {});
    }),
  },
  [`${controlPrefix}restart`]: { POST: allowed(restart) },
};

function allowed(handler: Handler): Handler {
  return (call) => {
    if (call.context.config.allowFaults) return handler(call);
    const message = "Faults are not allowed here. Start the replica with --allow-faults.";
    throw new ApiError(403, "PermissionDeniedError", message);
  };
}

function setFaults(call: Call) {
  const { forMs, ...changes } = bodyOf(call);
  call.context.faults.set(
    faultSettingsFrom(changes),
    forMs === undefined ? undefined : msFrom(forMs, "forMs"),
  );
  return json(call, call.context.faults.settings);
}

function restart(call: Call) {
  const { downMs = 0, kind: asked = "kill" } = bodyOf(call);
  const kind = restartKinds.find((known) => known === asked);
  if (kind === undefined)
    throw badRequest(`kind must be one of ${restartKinds.join(", ")}`, "kind");
  const ms = msFrom(downMs, "downMs");
  // After the answer has left.
  setImmediate(() => call.context.restart(kind, ms));
  return json(call, { kind, downMs: ms }, 202);
}

function bodyOf(call: Call): JsonObject {
  return call.http.body.length === 0 ? {} : parseBody(call.http.body.toString());
}

function msFrom(value: unknown, name: string): number {
  if (typeof value === "number" && value >= 0 && value <= downMsMax) return value;
  throw badRequest(`${name} must be a number of milliseconds up to ${downMsMax}`, name);
}
