import { freePortBlock } from "./free-port.ts";
import type { BenchProcess } from "./spawn-process.ts";

/** A cold first start migrates an empty database; a busy machine takes its time. */
const readyMs = 60_000;
const triesMax = 5;

/**
 * Starts something at a block of free ports, of which it listens at these offsets. A port that
 * somebody takes between looking and listening costs another try.
 */
export async function bootOnFreePorts<Running>(
  offsets: readonly number[],
  boot: (base: number) => Promise<Running>,
): Promise<Running> {
  for (let tries = 1; ; tries++) {
    const base = await freePortBlock(offsets);
    try {
      return await boot(base);
    } catch (error) {
      const isPortTaken = error instanceof Error && /port \d+ on \S+ is in use/.test(error.message);
      if (!isPortTaken || tries === triesMax) throw error;
    }
  }
}

/** Waits until every address answers 200; throws with what the process said where one does not. */
export async function untilReady(process: BenchProcess, urls: readonly string[]): Promise<void> {
  const deadlineMs = performance.now() + readyMs;
  for (const url of urls) {
    for (;;) {
      const status = await fetch(url).then(
        (response) => response.status,
        // Nobody listens yet.
        () => 0,
      );
      if (status === 200) break;
      const why = process.ended() ? "it ended" : `${url} is not ready: status ${status}`;
      if (process.ended() || performance.now() > deadlineMs) {
        throw new Error(`${why}; it said: ${process.said()}`);
      }
      await Bun.sleep(50);
    }
  }
}
