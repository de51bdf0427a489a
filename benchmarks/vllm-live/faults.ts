/** What happens to an engine, and how everybody who was there fares. */
import type { TestProxy } from "@warmpath/inference-proxy/testing";
import { seededRandom } from "@warmpath/runtime/base";
import { complete, type Watched } from "./completion.ts";
import { inFlightMax, type LiveEngine } from "./engines.ts";
import { draw } from "./sessions.ts";

/** How the requests of one fault fared. */
export interface FaultResult {
  readonly name: string;
  /** Streams that were open when it happened, by their end. */
  readonly open: Readonly<Record<string, number>>;
  /** How many of them were at the engine that was struck; undefined: no single one was. */
  readonly struck: number | undefined;
  /** Requests that came right after it, by their end. */
  readonly after: Readonly<Record<string, number>>;
  /**
   * Longest time from the last content of an open stream to its end, in ms, less the longest gap
   * before: what the model's own pace does not explain.
   */
  readonly silenceMs: number;
  /** From the engine's own health to an answer of it, in ms; undefined: it stayed away. */
  readonly backMs: number | undefined;
}

/** Longer than anything that the bars allow, so that a miss is told as a figure. */
const patienceMs = 60_000;
const recoveryMsMax = 30_000;

/** Streams that are open on each engine when a fault comes. */
const openPerEngine = 3;
/** Enough steps to be in the middle of, and within the model's length. */
const longTokens = 1500;

/** What is done to the engine, and how it comes back. */
export interface Fault {
  readonly name: string;
  readonly strike: (engine: LiveEngine) => void;
  /** Undefined: it stays away. */
  readonly mend?: (engine: LiveEngine) => Promise<void> | void;
}

/** Strikes one engine while streams are open at both. */
export async function runFault(
  proxy: TestProxy,
  engine: LiveEngine,
  fault: Fault,
): Promise<FaultResult> {
  const random = seededRandom(fault.name);
  // What happened before may have left the engine on probation.
  await timeToRotation(proxy, engine);
  const open = await openStreams(proxy.url, random, 2 * openPerEngine);
  fault.strike(engine);
  const after = Array.from({ length: openPerEngine }, () =>
    complete(proxy.url, {
      prompt: draw(random, 64),
      maxTokens: 4,
      isStream: true,
      patienceMs,
    }),
  );
  const [ended, came] = await Promise.all([Promise.all(open), Promise.all(after)]);
  const isMended = fault.mend !== undefined;
  await fault.mend?.(engine);
  return {
    name: fault.name,
    open: countsOf(ended),
    struck: ended.filter(({ replica }) => replica === engine.name).length,
    after: countsOf(came),
    silenceMs: longestSilenceMs(ended),
    backMs: isMended ? await timeToRotation(proxy, engine) : undefined,
  };
}

/** Many more streams at once than both engines take: an engine refuses inside a 200. */
export async function runOverload(proxy: TestProxy): Promise<FaultResult> {
  const random = seededRandom("overload");
  const burst = Array.from({ length: 4 * inFlightMax }, () =>
    complete(proxy.url, {
      prompt: draw(random, 200),
      maxTokens: 16,
      isStream: true,
      patienceMs,
    }),
  );
  const ended = await Promise.all(burst);
  return {
    name: "overload inside a 200",
    open: countsOf(ended),
    struck: undefined,
    after: {},
    silenceMs: 0,
    backMs: undefined,
  };
}

/** A request that kills each engine it reaches, asked for twice while others are under way. */
export async function runPoison(proxy: TestProxy): Promise<FaultResult> {
  const random = seededRandom("poison");
  const open = await openStreams(proxy.url, random, 2 * openPerEngine);
  // With a seed and more than one chunk of prompt, 3 of 3 CPU engines died (vLLM 0.32.0).
  const poison = {
    prompt: draw(random, 1400),
    maxTokens: 4,
    isStream: true,
    patienceMs,
    more: { seed: 7 },
  };
  const first = await complete(proxy.url, poison);
  const second = await complete(proxy.url, poison);
  const ended = await Promise.all(open);
  return {
    name: "poison",
    open: countsOf(ended),
    struck: undefined,
    after: countsOf([first, second]),
    silenceMs: longestSilenceMs(ended),
    backMs: undefined,
  };
}

/** Opens streams and waits until each has said something; their ends are promised. */
async function openStreams(url: string, random: ReturnType<typeof seededRandom>, count: number) {
  const begun: Promise<void>[] = [];
  const ends: Promise<Watched>[] = [];
  for (let index = 0; index < count; index++) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = complete(url, {
      prompt: draw(random, 64),
      maxTokens: longTokens,
      isStream: true,
      patienceMs,
      onContent: resolve,
    });
    begun.push(Promise.race([promise, end.then(() => undefined)]));
    ends.push(end);
  }
  await Promise.all(begun);
  return ends;
}

/** Asks until the engine answers through the proxy; it is healthy by its own word already. */
async function timeToRotation(proxy: TestProxy, engine: LiveEngine): Promise<number> {
  const random = seededRandom(engine.name);
  const fromMs = performance.now();
  for (;;) {
    // More than one at a time, or an idle proxy might always choose the other.
    const answers = await Promise.all(
      Array.from({ length: 4 }, () =>
        complete(proxy.url, {
          prompt: draw(random, 40),
          maxTokens: 2,
          isStream: true,
          patienceMs,
        }),
      ),
    );
    const waitedMs = performance.now() - fromMs;
    const isBack = answers.some(({ end, replica }) => end === "done" && replica === engine.name);
    if (isBack || waitedMs > recoveryMsMax) return waitedMs;
    await Bun.sleep(50);
  }
}

function longestSilenceMs(ends: readonly Watched[]): number {
  return Math.max(0, ...ends.map(({ silenceMs, gapMs }) => silenceMs - gapMs));
}

function countsOf(ends: readonly Watched[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { end } of ends) counts[end] = (counts[end] ?? 0) + 1;
  return counts;
}
