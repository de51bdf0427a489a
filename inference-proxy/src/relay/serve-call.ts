import { type CancelSignal, newId } from "@warmpath/runtime/base";
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
import { openRouted, type Routable, type RoutedCall } from "../call/open-routed.ts";
import { queueHeaders } from "../call/queue-view.ts";
import type { Caller, CallRequest } from "../call/types.ts";
import {
  apiHeadersOf,
  type BodyMembers,
  type ControlPolicy,
  type Controls,
  type Dialect,
  decideControls,
  refuseStored,
  requestIdHeaders,
} from "../formats/index.ts";
import { createTokenPrompt } from "../kv-events/index.ts";
import {
  type BodyScan,
  cacheBreakText,
  findMember,
  noPrompt,
  type ReadPrompt,
  readMember,
} from "../prompt/index.ts";
import { type RequestTraits, traitsOf } from "../providers/route/index.ts";
import type { ServingPath } from "../upstream/open.ts";
import type { UpstreamKind } from "../upstream/replica.ts";
import type { RequestBody } from "../upstream/request-body.ts";
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

/** A request for a model call, as it came in. */
export interface IncomingCall {
  readonly request: HttpRequest;
  readonly path: ServingPath;
  readonly dialect: Dialect;
  readonly requestId: string;
  readonly onEnd: (error?: unknown) => void;
}

/**
 * One model call over HTTP: read, open, hand the answer on. Resolves with the head; `onEnd` tells
 * the end.
 */
export async function serveCall(
  means: RelayMeans,
  incoming: IncomingCall,
  authenticated: Caller | Promise<Caller>,
): Promise<HttpAnswer | Response> {
  const caller = authenticated instanceof Promise ? await authenticated : authenticated;
  const { request, onEnd } = incoming;
  const lane = parseLane(request.headers.get(laneHeader));
  const coming = request.readBody(means.bodyBytesMax, caller.tenant);
  const bytes = coming instanceof Promise ? await coming : coming;
  const asked = new AskedCall(means, incoming, { caller, lane, bytes });
  const routed = await openRouted(means, asked);
  const { call } = routed;
  const headers = headersOf(incoming, asked, routed);
  if (call.kind === "fault") {
    onEnd();
    return faultResponse(call.status, call.error, incoming, headers);
  }
  headers["content-type"] = call.contentType;
  if (call.answer.kind === "whole") {
    addBill(headers, call.end());
    onEnd();
    return { status: 200, headers, body: call.answer.bytes };
  }
  request.signal.addEventListener("abort", () => onEnd(request.signal.reason), { once: true });
  if (request.signal.aborted) {
    // It left since its first event: the signal does not say so again, and nobody takes the body.
    onEnd(request.signal.reason);
  }
  headers["cache-control"] = "no-cache";
  // Or a proxy in front of us, such as nginx, would collect tokens before it hands them on.
  headers["x-accel-buffering"] = "no";
  return {
    status: 200,
    headers,
    body: relayEvents(means.flusher, call, call.answer.events, {
      ...incoming,
      isExplained: request.headers.get(explainHeader) === "1",
    }),
  };
}

/** What an answer's head says of how it came about. */
function headersOf(
  { request, dialect, requestId }: IncomingCall,
  { dropped, prompt }: AskedCall,
  { call, model, reason, standsInFor }: RoutedCall,
): Record<string, string> {
  const headers = requestIdHeaders(dialect, requestId);
  headers[replicaHeader] = call.kind === "open" ? call.replica.address.name : call.replica;
  headers[attemptsHeader] = String(call.attempts);
  if (reason !== undefined) {
    headers[modelHeader] = headerText(model);
    headers[routeHeader] = headerText(reason);
  }
  if (standsInFor !== undefined) {
    headers[fallbackHeader] = headerText(model);
  }
  if (dropped.length > 0) {
    headers[droppedHeader] = dropped.join(", ");
  }
  if (request.headers.get(explainHeader) === "1") {
    const { cacheBreak } = prompt;
    headers[cacheBreakHeader] = cacheBreak === undefined ? "none" : cacheBreakText(cacheBreak);
  }
  if (call.kind === "open") {
    Object.assign(headers, call.limitHeaders);
    if (call.queued !== undefined) {
      Object.assign(headers, queueHeaders(call.queued));
    }
    if (call.reused !== undefined) {
      Object.assign(headers, reuseHeaders(call.reused));
    }
  }
  return headers;
}

/** What is known of a whole answer's bill before its body; an estimate is no bill. */
function addBill(headers: Record<string, string>, report: CallReport): void {
  const { isEstimated, costNanodollars, usage, totals } = report;
  if (isEstimated) {
    return;
  }
  headers[costHeader] = costNanodollars.toString();
  if (totals?.session !== undefined) {
    headers[sessionCostHeader] = totals.session.toString();
  }
  headers[cachedTokensHeader] = String(usage.cachedInputTokens);
}

/** A request that has been read, whichever model will serve it. */
class AskedCall implements Routable {
  readonly requestId: string;
  readonly asked: string;
  readonly signal: CancelSignal;
  /** Engine controls that were taken away, for the client to know. */
  readonly dropped: readonly string[];
  /** The prompt as it was read for the model asked last. */
  prompt: ReadPrompt = noPrompt;
  readonly #means: RelayMeans;
  readonly #incoming: IncomingCall;
  readonly #caller: Caller;
  readonly #lane: Lane;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #read: ApiRequest;
  readonly #body: BodyMembers;
  readonly #controls: Controls;

  /** Throws `rejected-invalid`. */
  constructor(
    means: RelayMeans,
    incoming: IncomingCall,
    read: {
      readonly caller: Caller;
      readonly lane: Lane;
      readonly bytes: Uint8Array<ArrayBuffer>;
    },
  ) {
    const { request, path, requestId } = incoming;
    const { caller, bytes } = read;
    this.#means = means;
    this.#incoming = incoming;
    this.#caller = caller;
    this.#lane = read.lane;
    this.#bytes = bytes;
    this.#read = parseApiRequest(bytes, {
      path,
      tenant: caller.tenant,
      prompts: means.call.prompts,
    });
    this.#body = new ScannedBody(this.#read.scan);
    if (path === "/v1/responses") {
      refuseStored(this.#body);
    }
    const { headers, signal } = request;
    this.#controls = decideControls(means.controls, caller.tenant, { headers, body: this.#body });
    this.dropped = this.#controls.dropped;
    this.requestId = requestId;
    this.asked = this.#read.model;
    this.signal = signal;
  }

  traits(): RequestTraits {
    const { call, models } = this.#means;
    return traitsOf({
      asked: this.asked,
      tenant: this.#caller.tenant,
      promptTokens: call.ratios.estimate(models.resolve(this.asked), this.#bytes.length),
      headers: this.#incoming.request.headers,
      body: this.#body,
    });
  }

  requestFor(model: string): CallRequest {
    const { request, path, requestId } = this.#incoming;
    const means = this.#means;
    const read = this.#read;
    const operation = operations[path];
    const apiHeaders = apiHeadersOf(request.headers);
    const engineHeaders = this.#controls.headers;
    const reuse = chooseReuse(means.reuse, {
      header: request.headers.get(cacheHeader),
      tenant: this.#caller.tenant,
      path,
      operation,
      model,
      // A feature of the API may change the answer.
      engineHeaders: apiHeaders === undefined ? engineHeaders : { ...engineHeaders, ...apiHeaders },
      scan: read.scan,
    });
    const tokenIds = tokenIdsOf(read);
    const lora = means.models.isAdapter(model) ? model : "";
    const salt = read.salt ?? "";
    const prompt = means.call.prompts.identify(read.scan, {
      model,
      salt,
      lora,
      headers: request.headers,
      sessionId: "",
    });
    this.prompt = prompt;
    return {
      requestId,
      caller: this.#caller,
      operation,
      path,
      model,
      isStream: read.isStream,
      dropsUsage: read.isStream && !read.wantsUsage,
      lane: this.#lane,
      bodyBytes: this.#bytes.length,
      engineHeaders,
      apiHeaders,
      bodyFor: bodiesOf(read, model, this.#controls.removed),
      answerTokensMax: read.answerTokensMax,
      tokenPrompt: tokenIds === undefined ? undefined : createTokenPrompt(tokenIds, { salt, lora }),
      prompt,
      taskId: "",
      sessionId: prompt.statedId,
      agent: request.headers.get(agentHeader)?.slice(0, agentCharsMax),
      reuse,
      signal: this.signal,
    };
  }
}

/** A body's members as they were found. */
class ScannedBody implements BodyMembers {
  readonly #scan: BodyScan;

  constructor(scan: BodyScan) {
    this.#scan = scan;
  }

  get members() {
    return this.#scan.members;
  }

  has(name: string): boolean {
    return findMember(this.#scan, name) !== undefined;
  }

  read(name: string): unknown {
    return readMember(this.#scan, name);
  }
}

/** The body for each kind of upstream, made once for the kind that was asked last. */
function bodiesOf(
  read: ApiRequest,
  model: string,
  removed: readonly string[],
): CallRequest["bodyFor"] {
  let madeFor: UpstreamKind | undefined;
  let body: RequestBody | undefined;
  return (kind) => {
    if (body === undefined || madeFor !== kind) {
      body = bodyForUpstream(read, { model, kind, removed });
      madeFor = kind;
    }
    return body;
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
