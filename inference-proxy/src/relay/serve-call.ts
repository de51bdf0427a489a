import { newId } from "@warmpath/runtime/base";
import type { BodyFlow, HttpAnswer, HttpRequest } from "@warmpath/runtime/http1";
import {
  cacheHeader,
  chooseReuse,
  type ReuseSettings,
  reuseHeaders,
} from "../answer-cache/index.ts";
import type { AnswerStream } from "../call/answer-stream.ts";
import type { OpenCall } from "../call/end-call.ts";
import { flowOf } from "../call/event-pump.ts";
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
    readonly request: HttpRequest;
    readonly path: ServingPath;
    readonly dialect: Dialect;
    readonly caller: Caller;
    readonly requestId: string;
    readonly onEnd: (error?: unknown) => void;
  },
): Promise<HttpAnswer | Response> {
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
    return {
      status: 200,
      headers: { ...headers, "content-type": call.contentType },
      body: call.answer.bytes,
    };
  }
  request.signal.addEventListener("abort", () => onEnd(request.signal.reason), { once: true });
  return {
    status: 200,
    headers: { ...headers, "content-type": call.contentType, "cache-control": "no-cache" },
    body: relayEvents(call, call.answer.events, incoming),
  };
}

/**
 * Hands the events on as they come, from the upstream's own socket event. A stream that was cut
 * ends with an error event and without `[DONE]`. A client that reads slowly slows the upstream.
 */
function relayEvents(
  call: OpenCall,
  events: AnswerStream,
  {
    path,
    requestId,
    onEnd,
  }: {
    readonly path: ServingPath;
    readonly requestId: string;
    readonly onEnd: (error?: unknown) => void;
  },
): BodyFlow {
  return (body) => {
    const coming = flowOf(events);
    coming.flow({
      onEvents: (block) => body.write(block),
      onRead: () => {
        body.flush();
        if (body.isFull) {
          coming.pause();
          body.onDrain = () => coming.resume();
        }
      },
      onEnd: (failure) => {
        if (failure !== undefined && !events.facts.isFailed) {
          const { sequenceNumber } = events;
          body.write(errorEvent(formatOf(path), failure, { requestId, sequenceNumber }));
        }
        // The client first: nobody waits for the account.
        body.end();
        call.end(failure);
        onEnd(failure);
      },
    });
  };
}

async function readCall(
  means: RelayMeans,
  incoming: {
    readonly request: HttpRequest;
    readonly path: ServingPath;
    readonly caller: Caller;
    readonly requestId: string;
  },
): Promise<{ readonly callRequest: CallRequest; readonly dropped: readonly string[] }> {
  const { request, path, caller, requestId } = incoming;
  const operation = operations[path];
  const lane = parseLane(request.headers.get(laneHeader));
  const bytes = await request.readBody(means.bodyBytesMax);
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
