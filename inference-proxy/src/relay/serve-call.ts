import { newId } from "@warmpath/runtime/base";
import {
  cacheHeader,
  chooseReuse,
  type ReuseSettings,
  reuseHeaders,
} from "../answer-cache/index.ts";
import type { OpenCall } from "../call/end-call.ts";
import type { Models } from "../call/models.ts";
import type { CallMeans } from "../call/open-call.ts";
import { openCall } from "../call/open-call.ts";
import type { Caller, CallRequest } from "../call/types.ts";
import {
  type BodyMembers,
  type ControlPolicy,
  type Dialect,
  decideControls,
  refuseStored,
  requestIdHeaders,
} from "../formats/index.ts";
import { createTokenPrompt } from "../kv-events/index.ts";
import { findMember, readMember } from "../prompt/index.ts";
import type { ServingPath } from "../upstream/open.ts";
import { readWhole } from "../upstream/read-whole.ts";
import type { UpstreamKind } from "../upstream/replica.ts";
import { formatOf } from "../upstream/wire-format.ts";
import { bodyForUpstream, operations, parseApiRequest, parseLane } from "./read-request.ts";
import { errorEvent, faultResponse } from "./rescue.ts";
import { tokenIdsOf } from "./token-ids.ts";

/** What relaying needs of the process. */
export interface RelayMeans {
  readonly call: CallMeans;
  readonly models: Models;
  readonly bodyBytesMax: number;
  readonly controls: ControlPolicy;
  readonly reuse: ReuseSettings;
}

/** Response headers of the proxy's own. */
export const replicaHeader = "x-warmpath-replica";
export const attemptsHeader = "x-warmpath-attempts";
/** Engine controls of the request that its key may not use, and which were not passed on. */
export const droppedHeader = "x-warmpath-dropped";
export const laneHeader = "x-warmpath-lane";

/**
 * One model call over HTTP: read, open, hand the answer on. Resolves with the head; `onEnd` tells
 * the end.
 */
export async function serveCall(
  means: RelayMeans,
  incoming: {
    readonly request: Request;
    readonly path: ServingPath;
    readonly dialect: Dialect;
    readonly caller: Caller;
    readonly requestId: string;
    readonly onEnd: (error?: unknown) => void;
  },
): Promise<Response> {
  const { request, requestId, dialect, onEnd } = incoming;
  const { callRequest, dropped } = await readCall(means, incoming);
  const call = await openCall(means.call, callRequest);
  const headers = {
    ...requestIdHeaders(dialect, requestId),
    [replicaHeader]: call.kind === "open" ? call.replica.address.name : call.replica,
    [attemptsHeader]: String(call.attempts),
    ...(dropped.length === 0 ? undefined : { [droppedHeader]: dropped.join(", ") }),
    ...(call.kind === "open" ? call.limitHeaders : {}),
    ...(call.kind === "open" && call.reused !== undefined ? reuseHeaders(call.reused) : {}),
  };
  if (call.kind === "fault") {
    onEnd();
    return faultResponse(call.status, call.error, incoming, headers);
  }
  if (call.answer.kind === "whole") {
    call.end();
    onEnd();
    return new Response(call.answer.bytes, {
      headers: { ...headers, "content-type": call.contentType },
    });
  }
  request.signal.addEventListener("abort", () => onEnd(request.signal.reason), { once: true });
  // Bun takes an async generator as a body, which the DOM's type does not know.
  const body = relayEvents(call, incoming) as unknown as ReadableStream<Uint8Array>;
  return new Response(body, {
    headers: { ...headers, "content-type": call.contentType, "cache-control": "no-cache" },
  });
}

/**
 * Hands the events on as they come. A stream that was cut ends with an error event and without
 * `[DONE]`.
 */
async function* relayEvents(
  call: OpenCall,
  {
    path,
    requestId,
    onEnd,
  }: {
    readonly path: ServingPath;
    readonly requestId: string;
    readonly onEnd: (error?: unknown) => void;
  },
): AsyncGenerator<Uint8Array, void, void> {
  if (call.answer.kind !== "stream") {
    return;
  }
  const { events } = call.answer;
  let failure: unknown;
  try {
    for (let block = await events.next(); block !== undefined; block = await events.next()) {
      yield block;
    }
  } catch (error) {
    failure = error;
    if (!events.facts.isFailed) {
      const { sequenceNumber } = events;
      yield errorEvent(formatOf(path), error, { requestId, sequenceNumber });
    }
  } finally {
    call.end(failure);
    onEnd(failure);
  }
}

async function readCall(
  means: RelayMeans,
  incoming: {
    readonly request: Request;
    readonly path: ServingPath;
    readonly caller: Caller;
    readonly requestId: string;
  },
): Promise<{ readonly callRequest: CallRequest; readonly dropped: readonly string[] }> {
  const { request, path, caller, requestId } = incoming;
  const operation = operations[path];
  const lane = parseLane(request.headers.get(laneHeader));
  const bytes = await readWhole(request, means.bodyBytesMax);
  const { prompts } = means.call;
  const read = parseApiRequest(bytes, { path, tenant: caller.tenant, prompts });
  const model = means.models.resolve(read.model);
  const body: BodyMembers = {
    has: (name) => findMember(read.scan, name) !== undefined,
    read: (name) => readMember(read.scan, name),
  };
  if (path === "/v1/responses") {
    refuseStored(body);
  }
  const asked = { headers: request.headers, body };
  const { removed, headers, dropped } = decideControls(means.controls, caller.tenant, asked);
  const reuse = chooseReuse(means.reuse, {
    header: request.headers.get(cacheHeader),
    tenant: caller.tenant,
    path,
    operation,
    model,
    engineHeaders: headers,
    scan: read.scan,
  });
  const tokenIds = tokenIdsOf(read);
  const lora = means.models.isAdapter(model) ? model : "";
  const prompt = prompts.identify(read.scan, {
    model,
    salt: read.salt ?? "",
    lora,
    headers: request.headers,
    sessionId: "",
  });
  const bodies = new Map<UpstreamKind, Uint8Array<ArrayBuffer>>();
  const callRequest: CallRequest = {
    requestId,
    caller,
    operation,
    path,
    model,
    isStream: read.isStream,
    dropsUsage: read.isStream && !read.wantsUsage,
    lane,
    bodyBytes: bytes.length,
    engineHeaders: headers,
    bodyFor: (kind) => {
      const body = bodies.get(kind) ?? bodyForUpstream(read, { model, kind, removed });
      bodies.set(kind, body);
      return body;
    },
    answerTokensMax: read.answerTokensMax,
    tokenPrompt:
      tokenIds === undefined
        ? undefined
        : createTokenPrompt(tokenIds, { salt: read.salt ?? "", lora }),
    prompt,
    taskId: "",
    sessionId: prompt.statedId,
    ...(reuse === undefined ? {} : { reuse }),
    signal: request.signal,
  };
  return { callRequest, dropped };
}

/** A new id for one request, which also becomes part of the id that the engine gives its answer. */
export function newRequestId(): string {
  return newId("req");
}
