import { newId } from "@warmpath/runtime/base";
import type { BodyFlow, HttpAnswer, HttpRequest } from "@warmpath/runtime/http1";
import type { Lane } from "../admit/index.ts";
import {
  cacheHeader,
  chooseReuse,
  type ReuseSettings,
  reuseHeaders,
} from "../answer-cache/index.ts";
import type { CallReport } from "../call/account.ts";
import type { AnswerStream } from "../call/answer-stream.ts";
import type { OpenCall } from "../call/end-call.ts";
import { flowOf } from "../call/event-pump.ts";
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
import { formatOf } from "../upstream/wire-format.ts";
import {
  type ApiRequest,
  bodyForUpstream,
  operations,
  parseApiRequest,
  parseLane,
} from "./read-request.ts";
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
/** What a whole answer cost, in nano-dollars, and how many of its prompt tokens were cached. */
export const costHeader = "x-warmpath-cost-nanodollars";
export const cachedTokensHeader = "x-warmpath-cached-tokens";
/** Engine controls of the request that its key may not use, and which were not passed on. */
export const droppedHeader = "x-warmpath-dropped";
export const laneHeader = "x-warmpath-lane";
/** What the session has cost since this process started. */
export const sessionCostHeader = "x-warmpath-session-cost-nanodollars";
/** The agent on whose behalf a request is made; its cost is added up. */
export const agentHeader = "x-warmpath-agent";
/** Longest name of an agent that is taken from a header. */
const agentCharsMax = 128;
/** The model that a table of routes chose, and why. */
export const modelHeader = "x-warmpath-model";
export const routeHeader = "x-warmpath-route";
/** A request that carries it with the value 1 is told what became of it in further headers. */
export const explainHeader = "x-warmpath-explain";
/** Where and why the prompt stopped beginning as its session's last one did, or `none`. */
export const cacheBreakHeader = "x-warmpath-cache-break";
/** The model that answers because none of the one that was asked for is healthy. */
export const fallbackHeader = "x-warmpath-model-fallback";

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
  return {
    status: 200,
    headers: {
      ...headers,
      "content-type": call.contentType,
      "cache-control": "no-cache",
      // Or a proxy in front of us, such as nginx, would collect tokens before it hands them on.
      "x-accel-buffering": "no",
    },
    body: relayEvents(call, call.answer.events, incoming),
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

/** The bill of a stream, as a comment that readers of events pass over. */
function billComment(report: CallReport): Uint8Array<ArrayBuffer> {
  const { usage, totals, isEstimated } = report;
  const lines = {
    [costHeader]: report.costNanodollars,
    [sessionCostHeader]: totals?.session,
    [cachedTokensHeader]: usage.cachedInputTokens,
    "x-warmpath-usage-estimated": isEstimated,
  };
  const told = Object.entries(lines).filter(([, value]) => value !== undefined);
  const text = told.map(([name, value]) => `: ${name}: ${value}\n`).join("");
  return new TextEncoder().encode(`${text}\n`);
}

function explanation({ cacheBreak }: ReadPrompt): Record<string, string> {
  return { [cacheBreakHeader]: cacheBreak === undefined ? "none" : cacheBreakText(cacheBreak) };
}

/**
 * Hands the events on as they come, from the upstream's own socket event. A stream that was cut
 * ends with an error event and without `[DONE]`. A client that reads slowly slows the upstream.
 */
function relayEvents(
  call: OpenCall,
  events: AnswerStream,
  {
    request,
    path,
    requestId,
    onEnd,
  }: {
    readonly request: HttpRequest;
    readonly path: ServingPath;
    readonly requestId: string;
    readonly onEnd: (error?: unknown) => void;
  },
): BodyFlow {
  const isExplained = request.headers.get(explainHeader) === "1";
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
        if (isExplained) {
          body.write(billComment(call.end(failure)));
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
