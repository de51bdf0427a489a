/**
 * Goal: a worker that is asked to go (a node's drain, a rollout, a scale-down) moves its runs: they
 * go on elsewhere at once, no step is done twice, and who watches sees neither gap nor duplicate.
 * Method: leases far longer than the test, so that a run which was not handed back would not go on
 * in time.
 */
import { describe, expect, test } from "bun:test";
import {
  answerOf,
  assertWhole,
  kindsOf,
  newWatched,
  showcaseText,
  watchToEnd,
  webClient,
} from "./clients.ts";
import { startSystem, topology } from "./system.ts";

const timeoutMs = 120_000;
const leaseMs = 10 * 60_000;

describe(`a worker that is asked to stop on ${topology}`, () => {
  test(
    "its runs go on at another worker, no step is repeated, and watchers see all of it",
    async () => {
      const system = await startSystem({
        env: { WARMPATH_LEASE_MS: String(leaseMs), WARMPATH_DRAIN_MS: "5000" },
      });
      // In one process there is nowhere to move to but its successor.
      if (topology === "split") {
        await system.addWorker();
      }
      const client = webClient(system);
      const submitted = await Promise.all(
        Array.from({ length: 3 }, () =>
          client.submitTask({
            agent: "assistant",
            message: { text: `${showcaseText} Write 30 words about it.` },
          }),
        ),
      );
      const tasks = submitted.map(({ taskId }) => ({ taskId, watched: newWatched() }));
      const watching = tasks.map(({ taskId, watched }) =>
        watchToEnd(client, taskId, { watched, timeoutMs: 90_000 }),
      );
      while (!tasks.every(({ watched }) => kindsOf(watched).includes("started"))) {
        await Bun.sleep(10);
      }
      expect(await system.stopWorker()).toBe(0);
      // Some may have ended before the stop came; not all.
      expect(system.output().match(/run handed back/g) ?? []).not.toEqual([]);
      if (topology !== "split") {
        await system.restartWorker();
      }
      await Promise.all(watching);
      for (const { watched } of tasks) {
        assertWhole(watched);
        expect(kindsOf(watched).at(-1)).toBe("completed");
        expect(answerOf(watched)).toContain("8369910");
        const steps = watched.events.flatMap(({ kind }) =>
          kind.case === "modelAnswered" ? [kind.value.step] : [],
        );
        expect(steps).toEqual([1, 2, 3]);
      }
      await system.stop();
    },
    timeoutMs,
  );
});
