import { assert, seededRandom } from "@warmpath/runtime/base";
import { createChainSpace, profiles } from "../../engine/index.ts";
import type { EngineProfile } from "../../engine/types.ts";
import type { Workload } from "../../workloads/types.ts";
import { type CellResult, type CellSpec, infiniteCache } from "../result.ts";
import type { Policy, PolicyContext } from "../types.ts";
import { isTrace } from "../workload-named.ts";
import { createInfiniteCache } from "./bound.ts";
import { createCacheEventLine } from "./cache-event-line.ts";
import { createEventQueue } from "./event-queue.ts";
import { createGauges } from "./gauges.ts";
import type { LoadShape } from "./load-shape.ts";
import { createNominal } from "./nominal.ts";
import { Recorder } from "./recorder.ts";
import { blockTokens, Replica, type ReplicaObserver } from "./replica.ts";
import { Router } from "./router.ts";
import { createSessionDriver } from "./session-driver.ts";
import { createSessionSource } from "./session-source.ts";

/** What a cell is run with beside its spec. */
export interface CellMeans {
  readonly policy: Policy;
  readonly workload: Workload;
  readonly shape: LoadShape;
  readonly withTimeline: boolean;
  /** For `cost`. */
  readonly wallMs: () => number;
}

/** So many times the KV that a replica has hold all that a run can bring. */
const infiniteTimes = 8;

/** Simulates one cell from beginning to end. Deterministic but for `cost.wallSeconds`. */
export function runCell(spec: CellSpec, means: CellMeans): CellResult {
  const startedMs = means.wallMs();
  const result = new Cell(spec, means).run();
  return { ...result, cost: { ...result.cost, wallSeconds: (means.wallMs() - startedMs) / 1000 } };
}

/** The profile of replica `index`; profiles are dealt in turn. */
export function profileAt({ profiles: names }: CellSpec["scenario"], index: number): EngineProfile {
  const name = names[index % names.length] ?? "";
  const profile = profiles[name];
  if (profile === undefined) {
    throw new Error(`no profile is called "${name}": ${Object.keys(profiles).join(", ")}`);
  }
  return profile;
}

/** KV tokens of the whole fleet. */
function capacityTokens({ scenario, replicas }: CellSpec): number {
  let blocks = 0;
  for (let index = 0; index < replicas; index += 1) {
    blocks += scenario.blocks ?? profileAt(scenario, index).blocks;
  }
  return blocks * blockTokens;
}

/** Sessions under way that make the demand of the spec. */
function slotsOf(spec: CellSpec, shape: LoadShape): number {
  return shape.sessionsFor(spec.demand * capacityTokens(spec));
}

class Cell {
  readonly #spec: CellSpec;
  readonly #means: CellMeans;
  readonly #endMs: number;
  readonly #slots: number;
  readonly #queue = createEventQueue();
  readonly #replicas: readonly Replica[];
  readonly #recorder: Recorder;
  readonly #router: Router;
  readonly #source;
  readonly #driver;
  readonly #gauges;
  #arrivalsLeft = true;

  constructor(spec: CellSpec, means: CellMeans) {
    const { scenario, seed } = spec;
    this.#spec = spec;
    this.#means = means;
    this.#endMs = spec.warmupMs + spec.measuredMs;
    this.#slots = slotsOf(spec, means.shape);
    const nominal = createNominal(profileAt(scenario, 0));
    this.#recorder = new Recorder({
      fromMs: spec.warmupMs,
      toMs: this.#endMs,
      replicas: spec.replicas,
      idleTurnMs: ({ plan, boundTokens, outputTokens }) =>
        nominal.turnMs({
          promptTokens: plan.promptTokens,
          cachedTokens: boundTokens,
          outputTokens,
        }),
    });
    this.#replicas = this.#createReplicas();
    this.#router = this.#createRouter();
    this.#driver = createSessionDriver({
      queue: this.#queue,
      send: (turn) => this.#router.send(turn),
      onPause: (session) => this.#router.onPause(session),
      onSessionEnded: (session, nowMs) => {
        this.#router.onSessionEnded(session);
        this.#recorder.sessionEnded(session, nowMs);
        if (spec.regime === "saturation" && session.parent === undefined) this.#startNext();
      },
    });
    this.#source = createSessionSource({
      workload: means.workload,
      seed,
      // An open trace begins as it was recorded: with nobody.
      underWay: isTrace(spec.workload) && spec.regime === "open" ? 0 : this.#slots,
      startsInside: !isTrace(spec.workload),
      blocks: Math.min(...this.#replicas.map(({ blocks }) => blocks)),
      nominal,
      random: seededRandom(`${seed}/start`),
    });
    this.#gauges = createGauges({
      replicas: this.#replicas,
      everyMs: this.#endMs / 120,
      held: () => this.#router.held,
      withTimeline: means.withTimeline,
      isMeasured: (timeMs) => this.#recorder.isMeasured(timeMs),
    });
  }

  run(): CellResult {
    this.#schedule();
    this.#loop();
    const endedMs = Math.min(this.#queue.nowMs, this.#endMs);
    for (const replica of this.#replicas) replica.advance(endedMs);
    const { regime } = this.#spec;
    const { turnsSent, turnsEnded } = this.#driver;
    return {
      spec: this.#spec,
      ...(regime === "saturation"
        ? { slots: this.#slots }
        : { sessionsPerSecond: this.#sessionsPerSecond() }),
      ...this.#recorder.finish(endedMs),
      ...this.#gauges.finish(this.#recorder.prefillTokensOf),
      sessionsLeftOut: this.#source.leftOut,
      conservation: { sent: turnsSent, ended: turnsEnded, underWay: this.#router.underWay },
      cost: {
        wallSeconds: 0,
        tokenEvents: this.#recorder.tokenEvents,
        steps: this.#recorder.steps,
      },
    };
  }

  /** Runs whatever comes first: an event of the queue, or a replica that has something to do. */
  #loop(): void {
    const queue = this.#queue;
    for (;;) {
      let first: Replica | undefined;
      let wakeMs = Number.POSITIVE_INFINITY;
      for (const replica of this.#replicas) {
        if (replica.wakeMs < wakeMs) {
          wakeMs = replica.wakeMs;
          first = replica;
        }
      }
      const eventMs = queue.nextMs;
      if (Math.min(wakeMs, eventMs) >= this.#endMs) break;
      if (first !== undefined && wakeMs <= eventMs) {
        queue.passTo(wakeMs);
        first.advance(wakeMs);
      } else {
        queue.runNext();
      }
      if (!this.#arrivalsLeft && this.#driver.live === 0) return;
    }
    queue.passTo(this.#endMs);
  }

  #schedule(): void {
    const { scenario, regime } = this.#spec;
    for (const start of this.#source.underWay) this.#driver.start(start);
    if (regime === "open") this.#scheduleArrival(undefined);
    else if (this.#source.underWay.length < this.#slots) this.#arrivalsLeft = false;
    this.#every(scenario.scrapeMs, () => this.#router.scrape());
    this.#every(this.#gauges.everyMs, () => this.#gauges.sample(this.#queue.nowMs));
    const { failing } = scenario;
    const victim = this.#replicas[0];
    if (failing === undefined || victim === undefined) return;
    this.#queue.at(failing.atMs, () => this.#router.loseReplica(victim));
    this.#queue.at(failing.backAtMs, () => victim.revive(this.#queue.nowMs));
  }

  #every(periodMs: number, run: () => void): void {
    const again = () => {
      run();
      this.#queue.at(this.#queue.nowMs + periodMs, again);
    };
    this.#queue.at(periodMs, again);
  }

  /** The next session of a job slot that came free. */
  #startNext(): void {
    const plan = this.#source.next();
    if (plan === undefined) this.#arrivalsLeft = false;
    else this.#driver.start({ plan, turn: 0, gapMs: 0 });
  }

  /** The workload's own arrivals, their time stretched so that the rate is the wanted one. */
  #scheduleArrival(before: { readonly startMs: number; readonly atMs: number } | undefined): void {
    const plan = this.#source.next();
    if (plan === undefined) {
      this.#arrivalsLeft = false;
      return;
    }
    const own = this.#means.shape.sessionsPerSecond;
    const stretch = own === undefined ? 1 : own / this.#sessionsPerSecond();
    const { startMs } = plan;
    // Those under way at the start were the first of the workload: its clock starts behind them.
    const atMs = before === undefined ? 0 : before.atMs + (startMs - before.startMs) * stretch;
    this.#queue.at(atMs, () => {
      this.#driver.start({ plan, turn: 0, gapMs: 0 });
      this.#scheduleArrival({ startMs, atMs });
    });
  }

  /** The wanted rate of arrivals: a trace is played at a multiple of its own pace. */
  #sessionsPerSecond(): number {
    const { jobMs, sessionsPerSecond } = this.#means.shape;
    const { workload, demand } = this.#spec;
    if (isTrace(workload) && sessionsPerSecond !== undefined) return demand * sessionsPerSecond;
    return (this.#slots * 1000) / jobMs;
  }

  #createReplicas(): readonly Replica[] {
    const { replicas, scenario, policy, seed } = this.#spec;
    const times = policy === infiniteCache ? infiniteTimes : 1;
    const { slow } = scenario;
    const observer = this.#replicaObserver();
    return Array.from({ length: replicas }, (_, index) => {
      const profile = profileAt(scenario, index);
      return new Replica(
        {
          index,
          profile,
          blocks: (scenario.blocks ?? profile.blocks) * times,
          seed: seed * 1009 + index,
          slowdown: slow !== undefined && index < slow.replicas ? slow.factor : 1,
        },
        observer,
      );
    });
  }

  #replicaObserver(): ReplicaObserver {
    const recorder = this.#recorder;
    return {
      onAdmitted: (attempt, nowMs, cachedTokens) => recorder.admitted(attempt, nowMs, cachedTokens),
      onFirstToken: (attempt, atMs) => this.#router.onFirstToken(attempt, atMs),
      onFinished: (attempt, atMs) => this.#router.onFinished(attempt, atMs),
      onPreempted: (_replica, nowMs) => recorder.preempted(nowMs),
      onSteps: (_replica, steps) => recorder.stepsEnded(steps),
      onCacheEvents: (replica, events, nowMs) => {
        let removed = 0;
        for (const { type } of events) if (type === "removed") removed += 1;
        if (removed > 0) recorder.evicted(removed, nowMs);
        this.#router.onCacheEvents(replica, events, nowMs);
      },
    };
  }

  #createRouter(): Router {
    const { seed, scenario, replicas } = this.#spec;
    const { policy } = this.#means;
    const context: PolicyContext = {
      replicas,
      blockTokens,
      blocks: this.#replicas.map(({ blocks }) => blocks),
      random: seededRandom(`${seed}/policy`),
      truth: (index) => {
        const replica = this.#replicas[index];
        assert(replica !== undefined, "a policy asks for the truth about replicas there are");
        return replica.truth;
      },
    };
    const run = policy.start(context);
    return new Router({
      policy,
      run,
      replicas: this.#replicas,
      queue: this.#queue,
      chains: createChainSpace({ blockTokens }),
      infiniteCache: createInfiniteCache(blockTokens),
      recorder: this.#recorder,
      cacheEvents: createCacheEventLine({
        run,
        lagMs: scenario.eventLagMs,
        loss: scenario.eventLoss,
        random: seededRandom(`${seed}/events`),
      }),
      onTurnEnded: (turn, nowMs) => this.#driver.turnEnded(turn, nowMs),
    });
  }
}
