import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Lane as WireLane } from "@warmpath/proto/common";
import type {
  ExplainRouteRequest,
  ExplainRouteResponseSchema,
  ListReplicasResponseSchema,
  ReplicaSchema,
} from "@warmpath/proto/inference";
import type { Principal } from "@warmpath/runtime";
import type { Models } from "../call/models.ts";
import type { CallMeans } from "../call/open-call.ts";
import { promptSummaryOf } from "../call/prompt-summary.ts";
import type { KnowledgeFacts } from "../kv-events/index.ts";
import type { CostTerms, NoEndpoint, Placer } from "../pick/index.ts";
import type { ReadPrompt } from "../prompt/index.ts";
import { lastText } from "../providers/route/index.ts";
import type { Replica } from "../upstream/pool.ts";
import { isVacant } from "../upstream/replica.ts";
import { messagesBody, readMessages } from "./build-request.ts";

/** What the descriptions read. */
export interface DescribeMeans {
  readonly call: CallMeans;
  readonly models: Models;
  readonly placer: Placer;
}

/** `ListReplicas`: every upstream with its health and load now. */
export function listReplicas(
  means: DescribeMeans,
): MessageInitShape<typeof ListReplicasResponseSchema> {
  return {
    replicas: means.call.pool.replicas
      .filter(({ address }) => !isVacant(address))
      .map((replica) => describeReplica(means, replica)),
    lines: means.call.placement.lines().map(({ lane, estimateMs, ...line }) => ({
      ...line,
      lane: wireLanes[lane],
      ...(estimateMs === undefined ? {} : { estimate: durationFromMs(Math.round(estimateMs)) }),
    })),
  };
}

const wireLanes = {
  interactive: WireLane.INTERACTIVE,
  standard: WireLane.STANDARD,
  batch: WireLane.BATCH,
} as const;

/** One upstream as it is now. */
export function describeReplica(
  { call, placer }: DescribeMeans,
  { address, facts, hold }: Replica,
): MessageInitShape<typeof ReplicaSchema> {
  const { metrics } = facts;
  const nowMs = call.clock.monotonicMs();
  return {
    name: address.name,
    url: address.baseUrl,
    models: facts.models.map(({ id }) => id),
    healthy: facts.healthy,
    unhealthyReason: facts.unhealthyReason,
    inFlight: placer.inFlight(address.name),
    simulated: facts.isSimulated,
    engine: facts.engine,
    draining: hold.isDraining || hold.isLeaving,
    ...describeCache(call.kvKnowledge.describe(address.name)),
    breakers: call.breakers.troubled
      .filter(({ replica }) => replica === address.name)
      .map(({ model, state, reason }) => ({ model, state, reason })),
    ...(metrics === undefined
      ? {}
      : {
          engineRunning: metrics.running,
          engineWaiting: metrics.waiting,
          metricsAge: durationFromMs(Math.max(0, Math.round(nowMs - facts.metricsAtMs))),
          ...(metrics.kvCacheUsage === undefined ? {} : { kvCacheUsage: metrics.kvCacheUsage }),
        }),
  };
}

function describeCache({ source, doubts, blocks }: KnowledgeFacts) {
  return {
    cacheKnowledge: source,
    cacheDoubts: [...doubts],
    ...(blocks === undefined ? {} : { cachedBlocks: BigInt(blocks) }),
  };
}

/** Why an endpoint is out, as a sentence. */
const sentences: Readonly<Record<NoEndpoint, string>> = {
  "unknown-model": "it does not serve the model",
  "too-long": "its context is too short for the prompt",
  unhealthy: "it is not healthy",
  draining: "it is being drained",
  excluded: "it has been tried",
  closed: "its limits are used up for the moment",
  "held-back": "it has failed lately and is left alone for a moment",
  saturated: "it has as many requests as it may have",
  "no-room": "its cache has no room for another session",
};

/** The sentence for a reason that was kept as a word. */
export function sentenceOf(excluded: string): string {
  const known = Object.entries(sentences).find(([reason]) => reason === excluded);
  return known?.[1] ?? excluded;
}

/** `ExplainRoute`: what placement would do now, by its own rules. */
export function explainRoute(
  means: DescribeMeans,
  request: ExplainRouteRequest,
  { tenant, user, keyId }: Pick<Principal, "tenant" | "user" | "keyId">,
): MessageInitShape<typeof ExplainRouteResponseSchema> {
  const { pool, prompts, clock, gates } = means.call;
  const { model, reason: routedBy } = routed(means, request, tenant);
  const body = messagesBody(request.messages);
  const prompt = prompts.identify(prompts.scan(body, tenant, "messages"), {
    model,
    salt: tenant,
    lora: "",
    headers: undefined,
    sessionId: request.sessionId,
  });
  const gate = gates.look({
    caller: { tenant, user, keyId, requestsPerMinute: 0 },
    model,
    operation: "chat",
    bodyBytes: body.length,
    answerTokensMax: undefined,
  });
  const summary = { model, excluded: new Set<string>(), prompt: promptSummaryOf(prompt), gate };
  const candidates = means.placer.explain(pool.endpoints, summary, clock.monotonicMs());
  const best = candidates.find(({ excluded }) => excluded === undefined);
  return {
    replica: best?.endpoint ?? "",
    reason:
      best === undefined
        ? `No upstream can take a request for the model "${model}" now.`
        : `${routedBy}${reasonFor(best.terms, best.endpoint, prompt)}`,
    candidates: candidates.map(({ endpoint, cost, terms, excluded }) => ({
      replica: endpoint,
      cost,
      terms: { ...terms },
      excludedReason: excluded === undefined ? "" : whyOut(excluded, gate?.waitMs(endpoint)),
    })),
  };
}

/** Why it is out, and for how long, where limits say that. */
function whyOut(excluded: NoEndpoint, waitMs = 0): string {
  return excluded === "closed" && Number.isFinite(waitMs) && waitMs > 0
    ? `its limits are used up for another ${(waitMs / 1000).toFixed(1)} s`
    : sentences[excluded];
}

/** The model that the table of routes would try first, or the one that is asked for. */
function routed(
  { call, models }: DescribeMeans,
  { model: asked, messages, sessionId }: ExplainRouteRequest,
  tenant: string,
): { readonly model: string; readonly reason: string } {
  const resolved = models.resolve(asked);
  const body = messagesBody(messages);
  const route = call.router?.routeOf({
    asked,
    session: sessionId === "" ? "" : `${tenant}/${sessionId}`,
    tier: "",
    promptTokens: call.ratios.estimate(resolved, body.length),
    hasTools: () => false,
    header: () => undefined,
    metadata: () => undefined,
    text: () => lastText(readMessages(body)),
  });
  const step = route?.steps[0];
  return route === undefined || step === undefined
    ? { model: resolved, reason: "" }
    : { model: step.model, reason: `Rule ${route.rule} chose ${step.model}: ${step.reason}. ` };
}

function reasonFor(
  { wait, prefill, slowdown }: CostTerms,
  replica: string,
  { home, commonMessages }: ReadPrompt,
): string {
  const parts = [
    `It costs least: ${inMs(wait)} before it, ${inMs(prefill)} of its own prefill`,
    ...(slowdown > 0 ? [`${inMs(slowdown)} that others lose`] : []),
    ...(home === replica
      ? [`it served ${commonMessages} of this conversation's messages before`]
      : []),
  ];
  return `${parts.join(", and ")}.`;
}

function inMs(seconds: number): string {
  return `${(seconds * 1000).toFixed(1)} ms`;
}
