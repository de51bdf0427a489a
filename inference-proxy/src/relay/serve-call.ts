import { newId } from "@warmpath/runtime/base";
import type { HttpAnswer, HttpRequest } from "@warmpath/runtime/http1";
import type { Lane } from "../admit/index.ts";
import {
  cacheHeader,
  chooseReuse,
  type ReuseSettings,
  reuseHeaders,
} from "../answer-cache/index.ts";
import type { CallReport } from "../call/account.ts";
import type { Models } from "../call/models.ts";
import type { CallMeans } from "../call/open-call.ts";
import { openRouted, type Routable } from "../call/open-routed.ts";
import { queueHeaders } from "../call/queue-view.ts";
import type { Caller, CallRequest, Operation } from "../call/types.ts";
import {
  apiHeadersOf,
  type BodyMembers,
  type ControlPolicy,
  type Dialect,
  decideControls,
  refuseStored,
  requestIdHeaders,
} from "../formats/index.ts";
import { createTokenPrompt } from "../kv-events/index.ts";
import {
  cacheBreakText,
  findMember,
  noPrompt,
  type ReadPrompt,
  readMember,
} from "../prompt/index.ts";
import { traitsOf } from "../providers/route/index.ts";
import type { ServingPath } from "../upstream/open.ts";
import type { UpstreamKind } from "../upstream/replica.ts";
import type { Flusher } from "./flusher.ts";
import {
  type ApiRequest,
  bodyForUpstream,
  operations,
  parseApiRequest,
  parseLane,
} from "./read-request.ts";
import { relayEvents } from "./relay-events.ts";
import { faultResponse } from "./rescue.ts";
import {
  agentHeader,
  attemptsHeader,
  cacheBreakHeader,
  cachedTokensHeader,
  costHeader,
  droppedHeader,
  explainHeader,
  fallbackHeader,
  laneHeader,
  modelHeader,
  replicaHeader,
  routeHeader,
  sessionCostHeader,
} from "./response-headers.ts";
import { tokenIdsOf } from "./token-ids.ts";

/** What relaying needs of the process. */
export interface RelayMeans {
  readonly call: CallMeans;
  readonly models: Models;
  readonly bodyBytesMax: number;
  readonly controls: ControlPolicy;
  readonly reuse: ReuseSettings;
  readonly flusher: Flusher;
}

/** Longest name of an agent that is taken from a header. */
const agentCharsMax = 128;

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
  const { routable, dropped, seen } = await readCall(means, incoming);
  const { call, model, reason, standsInFor } = await openRouted(means, routable);
  const headers = {
    ...requestIdHeaders(dialect, requestId),
    [replicaHeader]: call.kind === "open" ? call.replica.address.name : call.replica,
    [attemptsHeader]: String(call.attempts),
    ...(reason === undefined
      ? undefined
      : { [modelHeader]: headerText(model), [routeHeader]: headerText(reason) }),
    ...(standsInFor === undefined ? undefined : { [fallbackHeader]: headerText(model) }),
    ...(dropped.length === 0 ? undefined : { [droppedHeader]: dropped.join(", ") }),
    ...(request.headers.get(explainHeader) === "1" ? explanation(seen.prompt) : undefined),
    ...(call.kind === "open" ? call.limitHeaders : {}),
    ...(call.kind === "open" && call.queued !== undefined ? queueHeaders(call.queued) : {}),
    ...(call.kind === "open" && call.reused !== undefined ? reuseHeaders(call.reused) : {}),
  };
  if (call.kind === "fault") {
    onEnd();
    return faultResponse(call.status, call.error, incoming, headers);
  }
  if (call.answer.kind === "whole") {
    const report = call.end();
    onEnd();
    return {
      status: 200,
      headers: { ...headers, ...billHeaders(report), "content-type": call.contentType },
      body: call.answer.bytes,
    };
  }
  request.signal.addEventListener("abort", () => onEnd(request.signal.reason), { once: true });
  if (request.signal.aborted) {
    // It left since its first event: the signal does not say so again, and nobody takes the body.
    onEnd(request.signal.reason);
  }
  return {
    status: 200,
    headers: {
      ...headers,
      "content-type": call.contentType,
      "cache-control": "no-cache",
      // Or a proxy in front of us, such as nginx, would collect tokens before it hands them on.
      "x-accel-buffering": "no",
    },
    body: relayEvents(means.flusher, call, call.answer.events, {
      ...incoming,
      isExplained: request.headers.get(explainHeader) === "1",
    }),
  };
}

/** What is known of a whole answer's bill before its body; an estimate is no bill. */
function billHeaders(report: CallReport): Record<string, string> {
  const { isEstimated, costNanodollars, usage, totals } = report;
  return isEstimated
    ? {}
    : {
        [costHeader]: costNanodollars.toString(),
        ...(totals?.session === undefined
          ? undefined
          : { [sessionCostHeader]: totals.session.toString() }),
        [cachedTokensHeader]: String(usage.cachedInputTokens),
      };
}

function explanation({ cacheBreak }: ReadPrompt): Record<string, string> {
  return { [cacheBreakHeader]: cacheBreak === undefined ? "none" : cacheBreakText(cacheBreak) };
}

async function readCall(
  means: RelayMeans,
  incoming: {
    readonly request: HttpRequest;
    readonly path: ServingPath;
    readonly caller: Caller;
    readonly requestId: string;
  },
): Promise<{
  readonly routable: Routable;
  readonly dropped: readonly string[];
  /** The prompt as it was read for the model asked last. */
  readonly seen: { prompt: ReadPrompt };
}> {
  const { request, path, caller } = incoming;
  const operation = operations[path];
  const lane = parseLane(request.headers.get(laneHeader));
  const bytes = await request.readBody(means.bodyBytesMax);
  const { prompts } = means.call;
  const read = parseApiRequest(bytes, { path, tenant: caller.tenant, prompts });
  const body: BodyMembers = {
    members: read.scan.members,
    has: (name) => findMember(read.scan, name) !== undefined,
    read: (name) => readMember(read.scan, name),
  };
  if (path === "/v1/responses") {
    refuseStored(body);
  }
  const asked = { headers: request.headers, body };
  const { removed, headers, dropped } = decideControls(means.controls, caller.tenant, asked);
  const parts: CallParts = { ...incoming, operation, lane, bytes, read, removed, headers };
  const seen = { prompt: noPrompt };
  const routable: Routable = {
    requestId: incoming.requestId,
    asked: read.model,
    signal: request.signal,
    traits: () =>
      traitsOf({
        asked: read.model,
        tenant: caller.tenant,
        promptTokens: means.call.ratios.estimate(means.models.resolve(read.model), bytes.length),
        headers: request.headers,
        body,
      }),
    requestFor: (model) => {
      const callRequest = callRequestFor(means, parts, model);
      seen.prompt = callRequest.prompt;
      return callRequest;
    },
  };
  return { routable, dropped, seen };
}

/** What a request is, whichever model will serve it. */
interface CallParts {
  readonly request: HttpRequest;
  readonly path: ServingPath;
  readonly caller: Caller;
  readonly requestId: string;
  readonly operation: Operation;
  readonly lane: Lane;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly read: ApiRequest;
  /** Engine controls to take out of the body, and those to send as headers. */
  readonly removed: readonly string[];
  readonly headers: Readonly<Record<string, string>> | undefined;
}

function callRequestFor(means: RelayMeans, parts: CallParts, model: string): CallRequest {
  const { request, path, caller, requestId, operation, lane, bytes, read, removed, headers } =
    parts;
  const { prompts } = means.call;
  const apiHeaders = apiHeadersOf(request.headers);
  const reuse = chooseReuse(means.reuse, {
    header: request.headers.get(cacheHeader),
    tenant: caller.tenant,
    path,
    operation,
    model,
    // A feature of the API may change the answer.
    engineHeaders: apiHeaders === undefined ? headers : { ...headers, ...apiHeaders },
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
  return {
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
    apiHeaders,
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
    agent: request.headers.get(agentHeader)?.slice(0, agentCharsMax),
    ...(reuse === undefined ? {} : { reuse }),
    signal: request.signal,
  };
}

/** A header is of bytes: what is beyond them in a model's name is left out. */
function headerText(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, "?");
}

/** A new id for one request, which also becomes part of the id that the engine gives its answer. */
export function newRequestId(): string {
  return newId("req");
}
