import { assert, type Clock } from "@warmpath/runtime/base";
import { profiles } from "../engine/index.ts";
import type { ReplicaConfig } from "./config.ts";
import { openKvEvents, type StoredTokens } from "./kv-events/index.ts";
import { HttpMetrics } from "./metrics/http-metrics.ts";
import { ReplicaMetrics } from "./metrics/replica-metrics.ts";
import { EngineDriver } from "./serve/engine-driver.ts";

/** What a replica has from one start to the next, and loses in between. */
export interface Life {
  readonly engine: EngineDriver;
  readonly metrics: ReplicaMetrics;
  readonly httpMetrics: HttpMetrics;
  /** What `/kv_event_sources` says of this rank; undefined where no events are published. */
  readonly eventSource: Readonly<Record<string, unknown>> | undefined;
  end(): Promise<void>;
}

interface LifeOptions {
  readonly config: ReplicaConfig;
  readonly clock: Clock;
  readonly isEventLost: () => boolean;
}

/** Starts an engine with an empty cache, its counters and its event publisher. */
export async function startLife({ config, clock, isEventLost }: LifeOptions): Promise<Life> {
  const profile = profiles[config.profile];
  assert(profile !== undefined, "the option knows no other profiles");
  const blockTokens = config.blockSize;
  const blocks = config.kvBlocks ?? profile.blocks;
  const { maxModelLen, model } = config;
  const metrics = new ReplicaMetrics({
    model,
    cache: { blockTokens, blocks, maxModelLen },
    clock,
    secondsPerMs: config.speed === 0 ? 0 : 1 / (1000 * config.speed),
  });
  let engine: EngineDriver | undefined;
  const stored: StoredTokens = {
    blockTokens,
    tokensOf: (id, firstBlock, blockCount) => engine?.tokensOf(id, firstBlock, blockCount) ?? [],
    saltOf: (id) => engine?.saltOf(id),
    sessionOf: (id) => engine?.sessionOf(id),
    isLost: isEventLost,
  };
  const events = await openKvEvents(config, stored);
  engine = new EngineDriver({
    profile,
    // One block of the stated number is vLLM's null block and holds nothing (measured on 0.32).
    blocks: blocks - 1,
    blockTokens,
    stepTokensMax: config.maxNumBatchedTokens,
    sequencesMax: config.maxNumSeqs,
    policy: config.schedulingPolicy,
    slowdown: config.slowdown,
    seed: config.seed,
    speed: config.speed,
    clock,
    metrics,
    ...(events === undefined
      ? {}
      : { onCacheEvents: (changes) => events.publish(changes, clock.nowMs()) }),
  });
  const running = engine;
  return {
    engine: running,
    metrics,
    httpMetrics: new HttpMetrics(clock),
    eventSource: events?.describe(),
    async end() {
      running.close();
      await events?.close();
    },
  };
}
