import { type Random, seededRandom } from "@warmpath/runtime/base";
import { type Arrivals, startTimes } from "./arrivals.ts";
import { Contents } from "./contents.ts";
import { Dialogue } from "./dialogue.ts";
import { type LogNormal, logNormal, wholeBetween, wholeLogNormal, zipf } from "./samplers.ts";
import { callTool } from "./tools.ts";
import type { Segment, SessionPlan, Workload } from "./types.ts";

/** What an agent's sessions are drawn from. Tokens and ms. */
export interface AgentShape {
  readonly arrivals: Arrivals;
  readonly tenants: number;
  /** Tokens of each variant of system prompt and tools, most popular first (Zipf 1). */
  readonly globalTokens: readonly number[];
  /** A repository or project: so many (Zipf 0.6), each with so many tokens in front. */
  readonly groups: number;
  readonly groupTokens: number;
  readonly startContext: LogNormal;
  readonly requestsPerSession: LogNormal;
  /** Tool calls of a request that makes any. */
  readonly toolSteps: LogNormal;
  readonly append: LogNormal;
  readonly output: LogNormal;
  readonly toolLatencyMs: LogNormal;
  readonly humanGapMs: LogNormal;
  /** The context is rewritten to a summary before it would grow beyond this. */
  readonly contextTokensMax: number;
  readonly summaryTokens: number;
}

/** Requests that call no tool at all. */
const toollessShare = 0.4;
/** Requests that start children which share the parent's context and are waited for. */
const spawningShare = 0.1;
/** Requests whose client leaves in the middle of an answer. */
const leavingShare = 0.02;
const childRequestSteps: LogNormal = { median: 2, sigma: 0.8, max: 8 };

/**
 * Coding agents at full size. Samplers fitted to TraceLab's quantiles (arXiv 2606.30560; 43
 * developers, 357,161 steps); prefixes as in AIPerf's agentic generator; two of twenty tenants make
 * most of the load (Zipf 1).
 */
export const fullShape: AgentShape = {
  arrivals: { sessionsPerSecond: 0.2, variation: 1.5 },
  tenants: 20,
  globalTokens: [20_000, 32_000, 24_000, 28_000, 22_000],
  groups: 100,
  groupTokens: 10_000,
  // Median 5 k and mean 15 k: sigma = sqrt(2 ln 3).
  startContext: { median: 5_000, sigma: 1.48, max: 100_000 },
  requestsPerSession: { median: 1, sigma: 2.25, max: 150 },
  toolSteps: { median: 4.5, sigma: 1.55, max: 150 },
  append: { median: 800, sigma: 1.15, max: 30_000 },
  output: { median: 200, sigma: 1.39, max: 16_000 },
  toolLatencyMs: { median: 300, sigma: 2.98, max: 600_000 },
  humanGapMs: { median: 84_000, sigma: 2.1, max: 3_600_000 },
  contextTokensMax: 180_000,
  summaryTokens: 8_000,
};

/** The same at an eighth of the size, so that eight simulated 8B replicas are a fleet for it. */
export const liteShape: AgentShape = {
  arrivals: { sessionsPerSecond: 1, variation: 1.5 },
  tenants: 20,
  globalTokens: [3_000, 3_000, 3_000, 3_000, 3_000],
  groups: 100,
  groupTokens: 1_200,
  startContext: { median: 600, sigma: 1.48, max: 12_000 },
  requestsPerSession: { median: 1, sigma: 2.25, max: 12 },
  toolSteps: { median: 4.5, sigma: 1.55, max: 20 },
  append: { median: 100, sigma: 1.15, max: 4_000 },
  output: { median: 60, sigma: 1, max: 400 },
  toolLatencyMs: { median: 300, sigma: 2.98, max: 10_000 },
  humanGapMs: { median: 84_000, sigma: 2.1, max: 10_000 },
  contextTokensMax: 22_500,
  summaryTokens: 1_000,
};

/** Agent sessions of a shape. */
export function agentWorkload(name: string, about: string, shape: AgentShape): Workload {
  return {
    name,
    about,
    *sessions(seed) {
      const random = seededRandom(`${name}/${seed}`);
      const drawer = new SessionDrawer(shape, random);
      for (const startMs of startTimes(seededRandom(`${name}/${seed}/arrivals`), shape.arrivals)) {
        yield drawer.draw(startMs);
      }
    },
  };
}

class SessionDrawer {
  readonly #shape: AgentShape;
  readonly #random: Random;
  readonly #contents = new Contents();
  readonly #tenantOf;
  readonly #globalOf;
  readonly #groupOf;
  #sessions = 0;

  constructor(shape: AgentShape, random: Random) {
    this.#shape = shape;
    this.#random = random;
    this.#tenantOf = zipf(shape.tenants, 1);
    this.#globalOf = zipf(shape.globalTokens.length, 1);
    this.#groupOf = zipf(shape.groups, 0.6);
  }

  draw(startMs: number): SessionPlan {
    const random = this.#random;
    const shape = this.#shape;
    const id = `s${this.#sessions}`;
    this.#sessions += 1;
    const tenant = `tenant-${this.#tenantOf(random)}`;
    const dialogue = new Dialogue(this.#contents, this.#prefix());
    const requests = wholeLogNormal(random, shape.requestsPerSession);
    for (let request = 0; request < requests; request += 1) {
      const gapMs = request === 0 ? 0 : logNormal(random, shape.humanGapMs);
      const first = request === 0 ? shape.startContext : shape.append;
      this.#say(dialogue, wholeLogNormal(random, first), gapMs, request === 0 ? "start" : "human");
      this.#useTools(dialogue);
      if (random.next() < spawningShare) this.#delegate(dialogue, { id, tenant, startMs, request });
      if (random.next() < leavingShare) {
        const answered = dialogue.turns.at(-1)?.outputTokens ?? 1;
        dialogue.leaveAfter(wholeBetween(random, 1, answered));
        break;
      }
    }
    return { id, tenant, sloClass: "agent", startMs, turns: dialogue.turns };
  }

  /** What the session shares: system and tools with many, the project with some. */
  #prefix(): readonly Segment[] {
    const variant = this.#globalOf(this.#random);
    const group = this.#groupOf(this.#random);
    return [
      Contents.shared(1, variant, this.#shape.globalTokens[variant] ?? 0),
      Contents.shared(2, group, this.#shape.groupTokens),
    ];
  }

  #useTools(dialogue: Dialogue): void {
    if (this.#random.next() < toollessShare) return;
    const steps = wholeLogNormal(this.#random, this.#shape.toolSteps);
    for (let step = 0; step < steps; step += 1) this.#useTool(dialogue);
  }

  #useTool(dialogue: Dialogue): void {
    const { toolName, latencyMs } = callTool(this.#random, this.#shape.toolLatencyMs);
    const appendTokens = wholeLogNormal(this.#random, this.#shape.append);
    this.#say(dialogue, appendTokens, latencyMs, "tool", toolName);
  }

  #say(
    dialogue: Dialogue,
    appendTokens: number,
    gapBeforeMs: number,
    gapKind: "start" | "human" | "tool" | "join",
    toolName?: string,
  ): void {
    const { contextTokensMax, summaryTokens, output } = this.#shape;
    const outputTokens = wholeLogNormal(this.#random, output);
    const prefixRuns = 2;
    if (
      dialogue.turns.length > 0 &&
      dialogue.tokens + appendTokens + outputTokens > contextTokensMax
    ) {
      dialogue.compact(prefixRuns, summaryTokens);
    }
    dialogue.ask({
      appendTokens,
      outputTokens,
      gapBeforeMs,
      gapKind,
      ...(toolName === undefined ? {} : { toolName }),
    });
  }

  /** Children go on from the parent's context; the parent goes on with what they found. */
  #delegate(
    dialogue: Dialogue,
    parent: { id: string; tenant: string; startMs: number; request: number },
  ): void {
    const children = Array.from({ length: wholeBetween(this.#random, 2, 4) }, (_, index) =>
      this.#child(dialogue.context, {
        id: `${parent.id}/${parent.request}.${index}`,
        tenant: parent.tenant,
        startMs: parent.startMs,
      }),
    );
    dialogue.spawn(children);
    const found = children.reduce((sum, child) => sum + (child.turns.at(-1)?.outputTokens ?? 0), 0);
    this.#say(dialogue, found, 0, "join");
  }

  #child(
    context: readonly Segment[],
    about: { id: string; tenant: string; startMs: number },
  ): SessionPlan {
    const dialogue = new Dialogue(this.#contents, context);
    this.#say(dialogue, wholeLogNormal(this.#random, this.#shape.append), 0, "start");
    const steps = wholeLogNormal(this.#random, childRequestSteps);
    for (let step = 0; step < steps; step += 1) this.#useTool(dialogue);
    return { ...about, sloClass: "agent", turns: dialogue.turns };
  }
}
