import { assert, seededRandom } from "@warmpath/runtime/base";
import { createChainSpace, createEngine, llama8bH100 } from "../engine/index.ts";
import type { Engine } from "../engine/types.ts";
import { createEventQueue, type EventQueue } from "../policy-lab/fleet/event-queue.ts";
import { proxyDefaults } from "../system/proxy-defaults.ts";
import { type LoadSource, loadSource, type TenantLoad } from "./loads.ts";
import { createVirtualProxy, lookAgainMs, type ProxyCall, type VirtualProxy } from "./proxy.ts";

/** Some tenants before one fleet of 8B models on H100s. */
export interface FleetPlan {
  readonly loads: readonly TenantLoad[];
  readonly replicas: number;
  readonly seed: number;
  /** Virtual ms before anything is counted, and counted. */
  readonly warmupMs: number;
  readonly measuredMs: number;
  /** 0: programs are not told apart. Default: the proxy's. */
  readonly programDelayMsMax?: number;
}

/** One call that ended in the measured time. */
export interface CallRecord {
  readonly tenant: string;
  readonly computedPromptTokens: number;
  readonly outputTokens: number;
  /** Until the proxy gave it a place, in ms. */
  readonly heldMs: number;
  /** Until its first token reached the proxy, in ms. */
  readonly firstTokenMs: number;
  readonly totalMs: number;
}

/** One program that began and ended in the measured time. */
export interface ProgramRecord {
  readonly tenant: string;
  readonly calls: number;
  readonly totalMs: number;
}

/** What came of a run. */
export interface FleetResult {
  readonly calls: readonly CallRecord[];
  readonly programs: readonly ProgramRecord[];
  /** Refusals in the measured time, by tenant. */
  readonly refusals: ReadonlyMap<string, number>;
  /** Looks at which somebody of the tenant waited ÷ all looks. */
  readonly backlogged: ReadonlyMap<string, number>;
}

/** A client that was refused comes again after so long: the proxy's `retry-after`. */
const retryAfterMs = 1000;
const blockTokens = 16;

interface Program {
  readonly id: string;
  readonly load: TenantLoad;
  readonly source: LoadSource;
  readonly calls: number;
  readonly startedMs: number;
  callsLeft: number;
}

interface Call extends ProxyCall {
  readonly of: Program;
  readonly outputTokens: number;
  readonly sentMs: number;
  cachedTokens: number;
  placedMs: number | undefined;
  firstTokenMs: number | undefined;
}

/** Plays the loads in virtual time; the same plan gives the same calls. */
export function runFleet(plan: FleetPlan): FleetResult {
  return new Fleet(plan).run();
}

class Fleet {
  readonly #plan: FleetPlan;
  readonly #queue: EventQueue = createEventQueue();
  readonly #chains = createChainSpace({ blockTokens });
  readonly #engines: readonly Engine[];
  readonly #proxy: VirtualProxy<Call>;
  readonly #live = new Map<number, Call>();
  readonly #calls: CallRecord[] = [];
  readonly #programs: ProgramRecord[] = [];
  readonly #refusals = new Map<string, number>();
  readonly #waitingNow = new Map<string, number>();
  readonly #backloggedLooks = new Map<string, number>();
  #looks = 0;
  #nextId = 1;

  constructor(plan: FleetPlan) {
    this.#plan = plan;
    this.#engines = Array.from({ length: plan.replicas }, (_, index) =>
      createEngine(
        { profile: llama8bH100, seed: plan.seed * 1009 + index },
        {
          onAdmitted: (id, _nowMs, cachedTokens) => {
            this.#callOf(id).cachedTokens = cachedTokens;
          },
          onFirstToken: (id, atMs) => this.#queue.at(atMs, () => this.#firstToken(id)),
          onEnded: (id, atMs) => this.#queue.at(atMs, () => this.#ended(id)),
        },
      ),
    );
    this.#proxy = createVirtualProxy(
      {
        replicas: plan.replicas,
        kvTokens: llama8bH100.blocks * blockTokens,
        random: seededRandom(`${plan.seed}/policy`),
        programDelayMsMax: plan.programDelayMsMax ?? proxyDefaults.programDelayMsMax,
      },
      {
        send: (call, replica) => this.#sendTo(call, replica),
        refuse: (call) => this.#refused(call),
      },
    );
  }

  run(): FleetResult {
    for (const load of this.#plan.loads) this.#begin(load);
    const look = () => {
      this.#proxy.lookAgain(this.#queue.nowMs);
      this.#countBacklogged();
      this.#queue.at(this.#queue.nowMs + lookAgainMs, look);
    };
    this.#queue.at(lookAgainMs, look);
    this.#loop();
    const backlogged = [...this.#backloggedLooks].map(
      ([tenant, looks]) => [tenant, looks / this.#looks] as const,
    );
    return {
      calls: this.#calls,
      programs: this.#programs,
      refusals: this.#refusals,
      backlogged: new Map(backlogged),
    };
  }

  get #isMeasured(): boolean {
    return this.#queue.nowMs >= this.#plan.warmupMs;
  }

  #begin(load: TenantLoad): void {
    const source = loadSource(load, this.#plan.seed);
    if ("connections" in load.arrivals) {
      for (let count = 0; count < load.arrivals.connections; count += 1) {
        this.#beginProgram(load, source);
      }
      return;
    }
    const arriveIn = (ms: number): void =>
      this.#queue.at(this.#queue.nowMs + ms, () => {
        this.#beginProgram(load, source);
        arriveIn(source.pauseMs());
      });
    arriveIn(source.pauseMs());
  }

  #beginProgram(load: TenantLoad, source: LoadSource): void {
    const calls = source.nextProgram();
    const id = String(this.#nextId++);
    const startedMs = this.#queue.nowMs;
    this.#send({ id, load, source, calls, startedMs, callsLeft: calls });
  }

  #send(program: Program): void {
    const { load, source } = program;
    const { promptTokens, outputTokens } = source.next();
    const id = this.#nextId++;
    const segments = [
      { content: 2 * id, tokens: promptTokens },
      { content: 2 * id + 1, tokens: outputTokens },
    ];
    this.#arrive({
      id,
      tenant: load.tenant,
      program: program.id,
      lane: "standard",
      chain: this.#chains.chainOf(segments),
      promptTokens,
      of: program,
      outputTokens,
      sentMs: this.#queue.nowMs,
      cachedTokens: 0,
      placedMs: undefined,
      firstTokenMs: undefined,
    });
  }

  #arrive(call: Call): void {
    this.#live.set(call.id, call);
    addTo(this.#waitingNow, call.tenant, 1);
    this.#proxy.arrive(call, this.#queue.nowMs);
  }

  #sendTo(call: Call, replica: number): void {
    const { id, chain, promptTokens, outputTokens } = call;
    const { nowMs } = this.#queue;
    addTo(this.#waitingNow, call.tenant, -1);
    call.placedMs = nowMs;
    const engine = this.#engines[replica];
    assert(engine !== undefined, "a replica of the fleet is chosen");
    engine.advance(nowMs);
    engine.add({ id, chain, promptTokens, outputTokens }, nowMs);
  }

  /** The client comes again with the same call, which has waited since it was first sent. */
  #refused(call: Call): void {
    addTo(this.#waitingNow, call.tenant, -1);
    if (this.#isMeasured) addTo(this.#refusals, call.tenant, 1);
    this.#queue.at(this.#queue.nowMs + retryAfterMs, () => this.#arrive(call));
  }

  #firstToken(id: number): void {
    const call = this.#callOf(id);
    const { nowMs } = this.#queue;
    call.firstTokenMs = nowMs;
    if (call.of.load.isStream) this.#proxy.firstEvent(call, nowMs);
  }

  #ended(id: number): void {
    const call = this.#callOf(id);
    this.#live.delete(id);
    const {
      of: program,
      sentMs,
      placedMs = sentMs,
      firstTokenMs,
      cachedTokens,
      outputTokens,
    } = call;
    const { nowMs } = this.#queue;
    if (this.#isMeasured) {
      this.#calls.push({
        tenant: call.tenant,
        computedPromptTokens: call.promptTokens - cachedTokens,
        outputTokens,
        heldMs: placedMs - sentMs,
        firstTokenMs: (firstTokenMs ?? nowMs) - sentMs,
        totalMs: nowMs - sentMs,
      });
    }
    this.#proxy.ended(call, { cachedTokens, outputTokens }, nowMs);
    program.callsLeft -= 1;
    if (program.callsLeft > 0) this.#send(program);
    else this.#endProgram(program);
  }

  #endProgram({ load, source, calls, startedMs }: Program): void {
    const { nowMs } = this.#queue;
    if (startedMs >= this.#plan.warmupMs) {
      this.#programs.push({ tenant: load.tenant, calls, totalMs: nowMs - startedMs });
    }
    if ("connections" in load.arrivals) this.#beginProgram(load, source);
  }

  #callOf(id: number): Call {
    const call = this.#live.get(id);
    assert(call !== undefined, "an engine tells of calls that it was sent");
    return call;
  }

  #countBacklogged(): void {
    if (!this.#isMeasured) return;
    this.#looks += 1;
    for (const [tenant, waiting] of this.#waitingNow) {
      addTo(this.#backloggedLooks, tenant, waiting > 0 ? 1 : 0);
    }
  }

  /** Runs whatever comes first: an event of the queue, or an engine that has something to do. */
  #loop(): void {
    const queue = this.#queue;
    const endMs = this.#plan.warmupMs + this.#plan.measuredMs;
    for (;;) {
      let first: Engine | undefined;
      let wakeMs = Number.POSITIVE_INFINITY;
      for (const engine of this.#engines) {
        const busyUntilMs = engine.busyUntilMs ?? Number.POSITIVE_INFINITY;
        if (busyUntilMs < wakeMs) {
          wakeMs = busyUntilMs;
          first = engine;
        }
      }
      if (Math.min(wakeMs, queue.nextMs) >= endMs) return;
      if (first !== undefined && wakeMs <= queue.nextMs) {
        queue.passTo(wakeMs);
        first.advance(wakeMs);
      } else {
        queue.runNext();
      }
    }
  }
}

function addTo(counts: Map<string, number>, name: string, amount: number): void {
  counts.set(name, (counts.get(name) ?? 0) + amount);
}
