import type { Clock, Random } from "@warmpath/runtime/base";
import { type Breaker, createBreaker } from "./breaker.ts";
import { peersOf, slowReason } from "./slow-replicas.ts";
import type { BreakerLimits, BreakerView, Outcome } from "./types.ts";

/** A breaker per replica, and one per model at a replica. */
export interface Breakers {
  note(outcome: Outcome): void;
  /** Takes a whole replica out at once, as when it hangs. */
  trip(replica: string, reason: string): void;
  /** True when neither the replica's breaker nor the model's there holds a request back. */
  admits(replica: string, model: string): boolean;
  /** A request goes there: takes a trial place where one is wanted; the end gives it back. */
  begin(replica: string, model: string): { end(): void } | undefined;
  /** Those that are not closed. */
  readonly troubled: readonly BreakerView[];
  /** When the first open breaker of the replica may be tried again; undefined with none open. */
  openUntilMs(replica: string): number | undefined;
  /** Lets trials begin at the replica's breakers whose cooldown is over. */
  halfOpen(replica: string): void;
  /** The replica's canary did not come through: its due breakers stay open for longer. */
  reopen(replica: string): void;
  /** Called after each change of what `admits` says; `isLooser` when it may admit more. */
  onChange(listener: (replica: string, isLooser: boolean) => void): void;
}

interface Entry {
  readonly replica: string;
  readonly model: string;
  readonly breaker: Breaker;
  comparedAtMs: number;
}

/** Failures of a whole replica's, by a name that no model has. */
const wholeReplica = "";

/** How often a replica is compared with its peers, at most. */
const compareEveryMs = 1000;

/**
 * Breakers appear with the first outcome; replicas and their models come from configuration and
 * probes, so their number is bounded there.
 */
export function createBreakers(options: {
  readonly limits: BreakerLimits;
  readonly clock: Clock;
  readonly random: Random;
}): Breakers {
  return new BreakerTable(options);
}

class BreakerTable implements Breakers {
  readonly #limits: BreakerLimits;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #entries = new Map<string, Map<string, Entry>>();
  readonly #listeners: ((replica: string, isLooser: boolean) => void)[] = [];

  constructor(options: Parameters<typeof createBreakers>[0]) {
    this.#limits = options.limits;
    this.#clock = options.clock;
    this.#random = options.random;
  }

  note({ replica, model, sentAtMs, failure, firstEventMs }: Outcome): void {
    const nowMs = this.#clock.monotonicMs();
    if (failure?.scope === "gone") {
      this.#trip(replica, wholeReplica, `it takes no new requests (${failure.kind})`);
      return;
    }
    // A failure of the whole replica's is told once, where all of its models are out together.
    const isReplicas = failure?.scope === "replica";
    const isBusy = failure?.kind === "busy";
    const ofReplica = { sentAtMs, isFailure: isReplicas, isBusy: false, firstEventMs: undefined };
    const ofModel = { sentAtMs, isFailure: failure?.scope === "model", isBusy, firstEventMs };
    const isReplicaChanged = this.#breakerOf(replica, wholeReplica).note(nowMs, ofReplica);
    const isModelChanged = !isReplicas && this.#breakerOf(replica, model).note(nowMs, ofModel);
    if (isReplicaChanged || isModelChanged) {
      this.#tell(replica, failure === undefined);
    }
    if (failure === undefined) {
      this.#compare(nowMs, replica, model);
    }
  }

  trip(replica: string, reason: string): void {
    this.#trip(replica, wholeReplica, reason);
  }

  admits(replica: string, model: string): boolean {
    const models = this.#entries.get(replica);
    return (
      (models?.get(wholeReplica)?.breaker.admits ?? true) &&
      (models?.get(model)?.breaker.admits ?? true)
    );
  }

  begin(replica: string, model: string): { end(): void } | undefined {
    const models = this.#entries.get(replica);
    const ofReplica = models?.get(wholeReplica)?.breaker.beginTrial();
    const ofModel = models?.get(model)?.breaker.beginTrial();
    if (ofReplica === undefined && ofModel === undefined) {
      return undefined;
    }
    this.#tell(replica, false);
    return {
      end: () => {
        ofReplica?.end();
        ofModel?.end();
        this.#tell(replica, true);
      },
    };
  }

  get troubled(): readonly BreakerView[] {
    return [...this.#entries.values()]
      .flatMap((models) => [...models.values()])
      .filter(({ breaker }) => breaker.state !== "closed")
      .map(({ replica, model, breaker: { state, reason } }) => ({ replica, model, state, reason }));
  }

  openUntilMs(replica: string): number | undefined {
    const open = this.#breakersOf(replica).filter(({ state }) => state === "open");
    return open.length === 0 ? undefined : Math.min(...open.map((each) => each.openUntilMs));
  }

  halfOpen(replica: string): void {
    const nowMs = this.#clock.monotonicMs();
    for (const breaker of this.#dueAt(replica, nowMs)) {
      breaker.halfOpen(nowMs);
    }
    this.#tell(replica, true);
  }

  reopen(replica: string): void {
    const nowMs = this.#clock.monotonicMs();
    for (const breaker of this.#dueAt(replica, nowMs)) {
      breaker.reopen(nowMs);
    }
    this.#tell(replica, false);
  }

  onChange(listener: (replica: string, isLooser: boolean) => void): void {
    this.#listeners.push(listener);
  }

  #tell(replica: string, isLooser: boolean): void {
    for (const listener of this.#listeners) {
      listener(replica, isLooser);
    }
  }

  #breakerOf(replica: string, model: string): Breaker {
    const models = this.#entries.get(replica) ?? new Map<string, Entry>();
    this.#entries.set(replica, models);
    const known = models.get(model);
    if (known !== undefined) {
      return known.breaker;
    }
    const breaker = createBreaker({ limits: this.#limits, random: this.#random });
    models.set(model, { replica, model, breaker, comparedAtMs: Number.NEGATIVE_INFINITY });
    return breaker;
  }

  #breakersOf(replica: string): readonly Breaker[] {
    return [...(this.#entries.get(replica)?.values() ?? [])].map(({ breaker }) => breaker);
  }

  #dueAt(replica: string, nowMs: number): readonly Breaker[] {
    return this.#breakersOf(replica).filter(
      ({ state, openUntilMs }) => state === "open" && openUntilMs <= nowMs,
    );
  }

  #trip(replica: string, model: string, reason: string): void {
    const breaker = this.#breakerOf(replica, model);
    const isNews = breaker.state !== "open" || breaker.reason !== reason;
    breaker.trip(this.#clock.monotonicMs(), reason);
    if (isNews) {
      this.#tell(replica, false);
    }
  }

  /** Takes a replica out that is far slower than its peers, if those can take its place. */
  #compare(nowMs: number, replica: string, model: string): void {
    const entry = this.#entries.get(replica)?.get(model);
    const isOff = this.#limits.slowFactor === 0 || entry === undefined;
    if (isOff || nowMs - entry.comparedAtMs < compareEveryMs) {
      return;
    }
    entry.comparedAtMs = nowMs;
    const reason = slowReason({
      limits: this.#limits,
      nowMs,
      own: entry.breaker,
      peers: peersOf([...this.#entries.values()], replica, model),
    });
    if (reason !== undefined) {
      this.#trip(replica, model, reason);
    }
  }
}
