import { type Clock, type Random, systemClock, systemRandom } from "@warmpath/runtime/base";
import { profiles } from "../engine/index.ts";
import { ApiError, engineDead } from "./api/errors.ts";
import type { ReplicaContext } from "./api/replica-context.ts";
import { route } from "./api/routes.ts";
import { type ReplicaConfig, replicaLimits, replicaOptions } from "./config.ts";
import { controlPrefix, type RestartKind } from "./faults/control.ts";
import { type FaultSettings, faultSettingsOf } from "./faults/fault-settings.ts";
import { FaultState } from "./faults/fault-state.ts";
import { HttpServer } from "./http/server.ts";
import { type Life, startLife } from "./life.ts";

/** What a replica needs from outside; everything has a default that suits an in-process test. */
export interface ReplicaDeps {
  readonly config?: Partial<ReplicaConfig>;
  readonly clock?: Clock;
  /** Makes the ids and rolls the dice of faults; answers depend on the configured seed alone. */
  readonly random?: Random;
}

/** A listening replica. */
export interface Replica {
  readonly url: string;
  readonly port: number;
  readonly faults: FaultState;
  /** Sequences in flight, waiting ones included. */
  load(): number;
  /** Goes down and, after `downMs`, starts again on the same port with an empty cache. */
  restart(kind: RestartKind, downMs: number): Promise<void>;
  /** What SIGTERM does to a vLLM without a shutdown timeout: the port closes, all else hangs. */
  hangUp(): void;
  /** Goes on serving, but refuses new answers with vLLM's 500 of a shutdown. */
  refuseNew(): void;
  /** Stops accepting, lets running answers end for `graceMs`, then cuts them. */
  close(graceMs?: number): Promise<void>;
}

/** Time between an engine's death and the end of its API server, as measured. */
const engineDeathMs = 100;

/** Settings under which nobody waits for simulated time: for benches of what stands in front. */
export const zeroLatency = { speed: 0 } as const;

/**
 * Starts a simulated replica in this process, on a free port unless one is given. Where
 * `startDelayMs` is set, the port opens that much later.
 */
export async function createReplica(deps: ReplicaDeps = {}): Promise<Replica> {
  const replica = new RunningReplica(deps);
  await replica.start();
  return replica;
}

class RunningReplica implements Replica {
  readonly faults: FaultState;
  readonly #config: ReplicaConfig;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #server: HttpServer;
  readonly #closed = new AbortController();
  #life: Life | undefined;
  #context: ReplicaContext | undefined;
  #goingDown: ApiError | undefined;
  #isEngineDead = false;
  #isRestarting = false;

  constructor(deps: ReplicaDeps) {
    this.#config = checkedConfig({ ...defaultConfig(), port: 0, ...deps.config });
    this.#clock = deps.clock ?? systemClock;
    this.#random = deps.random ?? systemRandom;
    this.faults = new FaultState(this.#clock, this.#random, (settings) => this.#apply(settings));
    this.#server = new HttpServer({
      host: this.#config.host,
      port: this.#config.port,
      clock: this.#clock,
      bodyBytesMax: replicaLimits.bodyBytesMax,
      answer: (request) => route(request, this.#currentContext()),
      isControl: (path) => path.startsWith(controlPrefix),
    });
  }

  get port(): number {
    return this.#server.port;
  }

  get url(): string {
    return `http://${this.#config.host}:${this.port}`;
  }

  load(): number {
    return this.#life?.engine.load ?? 0;
  }

  async start(): Promise<void> {
    const faults = faultSettingsOf(this.#config.faults);
    await this.#begin();
    this.faults.set(faults);
    this.#server.listen();
    if (this.#config.startDelayMs === 0) return;
    // The port is known by now, and refuses until the weights are loaded.
    this.#server.closePort();
    void this.#listenAfter(this.#config.startDelayMs);
  }

  async restart(kind: RestartKind, downMs: number): Promise<void> {
    const life = this.#life;
    // Who asks while it goes down gets the restart that is under way.
    if (life === undefined || this.#isRestarting) return;
    this.#isRestarting = true;
    try {
      await this.#restart(life, kind, downMs);
    } finally {
      this.#isRestarting = false;
    }
  }

  async #restart(life: Life, kind: RestartKind, downMs: number): Promise<void> {
    if (kind === "engine-death") {
      // The API server notices, says so to everybody, and goes.
      this.#goingDown = engineDead();
      this.#isEngineDead = true;
      life.engine.close({ tells: true });
      await this.#pause(engineDeathMs);
    }
    this.#server.closePort();
    if (kind === "sigterm") {
      this.#server.setFrozen(true);
      await this.#pause(downMs);
    }
    this.#server.cutAll();
    await life.end();
    if (kind !== "sigterm") await this.#pause(downMs);
    if (this.#closed.signal.aborted) return;
    this.#goingDown = undefined;
    this.#isEngineDead = false;
    await this.#begin();
    this.#apply(this.faults.settings);
    this.#server.listen();
  }

  hangUp(): void {
    this.#server.closePort();
    this.#server.setFrozen(true);
  }

  refuseNew(): void {
    const message = "cannot schedule new futures after shutdown";
    this.#goingDown = new ApiError(500, "InternalServerError", message);
    this.#server.cutIdle();
  }

  async close(graceMs = 0): Promise<void> {
    if (this.#closed.signal.aborted) return;
    if (this.#goingDown === undefined) this.#server.closePort();
    const deadlineMs = this.#clock.monotonicMs() + graceMs;
    while (this.load() > 0 && this.#clock.monotonicMs() < deadlineMs) await this.#clock.sleep(10);
    this.#closed.abort();
    this.faults.clear();
    this.#server.close();
    await this.#life?.end();
    this.#life = undefined;
  }

  async #begin(): Promise<void> {
    const life = await startLife({
      config: this.#config,
      clock: this.#clock,
      isEventLost: () => this.faults.isEventLost(),
    });
    this.#life = life;
    const newHexId = () =>
      Array.from({ length: 4 }, () => Math.floor(this.#random.next() * 0x10000))
        .map((part) => part.toString(16).padStart(4, "0"))
        .join("");
    const goingDown = () => this.#goingDown;
    const isEngineDead = () => this.#isEngineDead;
    this.#context = {
      ...life,
      load: 0,
      sleepLevel: undefined,
      config: this.#config,
      clock: this.#clock,
      faults: this.faults,
      newHexId,
      fingerprint: "vllm-0.32.0-simulated",
      get goingDown() {
        return goingDown();
      },
      get isEngineDead() {
        return isEngineDead();
      },
      restart: (kind, downMs) => void this.restart(kind, downMs),
    };
  }

  #currentContext(): ReplicaContext {
    if (this.#context === undefined) throw new Error("a replica that has not begun was asked");
    return this.#context;
  }

  #apply(settings: FaultSettings): void {
    this.#life?.engine.setSlowdown(settings.slowdown ?? this.#config.slowdown);
    this.#server.setFrozen(settings.hang ?? false);
  }

  async #listenAfter(ms: number): Promise<void> {
    await this.#pause(ms);
    if (!this.#closed.signal.aborted) this.#server.listen();
  }

  /** Waits, or returns at once when the replica is closed. */
  async #pause(ms: number): Promise<void> {
    await this.#clock.sleep(ms, this.#closed.signal).catch(() => undefined);
  }
}

/** A request longer than the whole cache could never start, and would block all behind it. */
function checkedConfig(config: ReplicaConfig): ReplicaConfig & { readonly kvBlocks: number } {
  const kvBlocks = config.kvBlocks ?? profiles[config.profile]?.blocks ?? 0;
  const maxModelLen = Math.min(config.maxModelLen, kvBlocks * config.blockSize);
  return { ...config, kvBlocks, maxModelLen };
}

function defaultConfig(): ReplicaConfig {
  const entries = Object.entries(replicaOptions).map(([name, option]) => [name, option.fallback]);
  // Every replica option has a fallback, so the record has every key with the type its option
  // declares.
  return Object.fromEntries(entries) as ReplicaConfig;
}
