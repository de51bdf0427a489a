import { type Random, seededRandom } from "@warmpath/runtime/base";
import type { AgentShape } from "./agent-shape.ts";
import { startTimes } from "./arrivals.ts";
import { Contents } from "./contents.ts";
import { Dialogue, type TurnStart } from "./dialogue.ts";
import { bernoulli, drawWhole, logNormal, wholeBetween, zipf } from "./samplers.ts";
import { tenantName, tenantsOf } from "./tenants.ts";
import { callTool } from "./tools.ts";
import type { Segment, SessionPlan, Workload } from "./types.ts";

/** Agent sessions of a shape: the same shape and seed give the same sessions. */
export function agentWorkload(name: string, about: string, shape: AgentShape): Workload {
  return {
    name,
    about,
    *sessions(seed) {
      const drawer = new SessionDrawer(shape, seededRandom(`${name}/${seed}`));
      for (const startMs of startTimes(seededRandom(`${name}/${seed}/arrivals`), shape.arrivals)) {
        yield drawer.draw(startMs);
      }
    },
  };
}

/** What a session and its subagents have in common. */
type Identity = Pick<SessionPlan, "id" | "tenant" | "startMs">;

/** A turn before its answer is drawn. */
type Said = Omit<TurnStart, "outputTokens">;

/** Runs in front of every context: system prompt with tools, project. */
const prefixRuns = 2;

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
    this.#tenantOf = tenantsOf(shape.tenants);
    this.#globalOf = zipf(shape.globalTokens.length, 1);
    this.#groupOf = zipf(shape.groups, 0.6);
  }

  draw(startMs: number): SessionPlan {
    const random = this.#random;
    const tenant = tenantName(this.#tenantOf(random));
    const session: Identity = { id: `s${this.#sessions}`, tenant, startMs };
    this.#sessions += 1;
    const dialogue = new Dialogue(this.#contents, this.#prefix());
    const requests = drawWhole(random, this.#shape.requestsPerSession);
    for (let request = 0; request < requests; request += 1) {
      if (!this.#request(dialogue, request, session)) break;
    }
    return { ...session, sloClass: "agent", turns: dialogue.turns };
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

  /** One thing that a person asks for, to its end; false when the context is full. */
  #request(dialogue: Dialogue, index: number, session: Identity): boolean {
    const random = this.#random;
    const { startContext, append, humanGapMs, toollessShare, toolSteps } = this.#shape;
    const asked: Said =
      index === 0
        ? { appendTokens: drawWhole(random, startContext), gapBeforeMs: 0, gapKind: "start" }
        : {
            appendTokens: drawWhole(random, append),
            gapBeforeMs: logNormal(random, humanGapMs),
            gapKind: "human",
          };
    if (!this.#say(dialogue, asked)) return false;
    const steps = bernoulli(random, toollessShare) ? 0 : drawWhole(random, toolSteps);
    if (!this.#useTools(dialogue, steps)) return false;
    if (bernoulli(random, this.#shape.spawningShare)) {
      if (!this.#delegate(dialogue, index, session)) return false;
    }
    if (bernoulli(random, this.#shape.leavingShare)) {
      const answered = dialogue.turns.at(-1)?.outputTokens ?? 1;
      dialogue.leaveAfter(wholeBetween(random, 1, Math.max(1, answered - 1)));
    }
    return true;
  }

  #useTools(dialogue: Dialogue, steps: number): boolean {
    for (let step = 0; step < steps; step += 1) {
      const { toolName, latencyMs } = callTool(this.#random, this.#shape.toolLatencyMs);
      const appendTokens = drawWhole(this.#random, this.#shape.append);
      const said = { appendTokens, gapBeforeMs: latencyMs, gapKind: "tool", toolName } as const;
      if (!this.#say(dialogue, said)) return false;
    }
    return true;
  }

  /** One turn; false, and nothing said, when it does not fit and nothing may be rewritten. */
  #say(dialogue: Dialogue, said: Said): boolean {
    const { contextTokensMax, summaryTokens, output } = this.#shape;
    const outputTokens = drawWhole(this.#random, output);
    const tokens = dialogue.tokens + said.appendTokens + outputTokens;
    if (tokens > contextTokensMax && dialogue.runs > prefixRuns) {
      if (summaryTokens === undefined) return false;
      dialogue.compact(prefixRuns, summaryTokens);
    }
    dialogue.ask({ ...said, outputTokens });
    return true;
  }

  /** Children go on from the parent's context; the parent goes on with what they found. */
  #delegate(dialogue: Dialogue, request: number, session: Identity): boolean {
    const { least, most } = this.#shape.children;
    const children = Array.from({ length: wholeBetween(this.#random, least, most) }, (_, index) =>
      this.#child(dialogue.context, { ...session, id: `${session.id}/${request}.${index}` }),
    ).filter(({ turns }) => turns.length > 0);
    if (children.length === 0) return false;
    dialogue.spawn(children);
    const found = children.reduce((sum, child) => sum + (child.turns.at(-1)?.outputTokens ?? 0), 0);
    return this.#say(dialogue, { appendTokens: found, gapBeforeMs: 0, gapKind: "join" });
  }

  #child(context: readonly Segment[], identity: Identity): SessionPlan {
    const dialogue = new Dialogue(this.#contents, context);
    const appendTokens = drawWhole(this.#random, this.#shape.append);
    if (this.#say(dialogue, { appendTokens, gapBeforeMs: 0, gapKind: "start" })) {
      this.#useTools(dialogue, drawWhole(this.#random, this.#shape.childSteps));
    }
    return { ...identity, sloClass: "agent", turns: dialogue.turns };
  }
}
