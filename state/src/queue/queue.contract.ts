import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { LaneName } from "../log/types.ts";
import type { DispatchMessage, DispatchQueue } from "./dispatch-queue.ts";

/** What every dispatch queue does. `makeQueue` gives an empty one of its own. */
export function queueContract(name: string, makeQueue: () => DispatchQueue, skip?: string): void {
  const title = `dispatch queue contract: ${name}${skip === undefined ? "" : ` (skipped: ${skip})`}`;
  describe.skipIf(skip !== undefined)(title, () => {
    let queue: DispatchQueue;
    let count = 0;
    const soon = () => AbortSignal.timeout(3000);
    const message = (lane: LaneName): DispatchMessage => {
      const taskId = `task_${crypto.randomUUID().replaceAll("-", "")}`;
      return { ref: { tenant: "acme", taskId }, lane, dedupeId: `${taskId}-${count++}` };
    };
    const pull = async (lanes: readonly LaneName[]) => {
      const dispatch = await queue.pull(lanes, soon());
      dispatch.ack();
      return dispatch;
    };

    beforeAll(async () => {
      queue = makeQueue();
      await queue.ready();
    });
    afterAll(() => queue?.close());

    test("what was published is pulled from its lane, and once when it is acknowledged", async () => {
      const sent = [message("standard"), message("standard"), message("standard")];
      await queue.publish(sent);
      const got = [await pull(["standard"]), await pull(["standard"]), await pull(["standard"])];
      expect(got.map((each) => each.ref.taskId).sort()).toEqual(
        sent.map((each) => each.ref.taskId).sort(),
      );
      const none = queue.pull(["standard"], AbortSignal.timeout(150));
      expect(
        await none.then(
          () => "a message",
          () => "aborted",
        ),
      ).toBe("aborted");
    });

    test("who waits gets a message as soon as it is published", async () => {
      const waiting = queue.pull(["interactive", "standard"], soon());
      await Bun.sleep(20);
      const sent = message("interactive");
      await queue.publish([sent]);
      const got = await waiting;
      got.ack();
      expect(got).toMatchObject({ ref: sent.ref, lane: "interactive" });
    });

    test("each of those who wait together gets a message of its own", async () => {
      const waiting = Array.from({ length: 8 }, () => queue.pull(["standard", "batch"], soon()));
      const sent = Array.from({ length: 8 }, (_, index) =>
        message(index % 2 === 0 ? "standard" : "batch"),
      );
      await queue.publish(sent);
      const got = await Promise.all(waiting);
      for (const each of got) {
        each.ack();
      }
      expect(new Set(got.map((each) => each.ref.taskId)).size).toBe(8);
    });

    test("an aborted wait takes no message with it", async () => {
      const stop = new AbortController();
      const waiting = queue.pull(["batch"], stop.signal);
      stop.abort(new Error("enough"));
      expect(
        await waiting.then(
          () => "a message",
          (error: Error) => error.message,
        ),
      ).toBe("enough");
      const sent = message("batch");
      await queue.publish([sent]);
      expect((await pull(["batch"])).ref).toEqual(sent.ref);
    });

    test("a refused message comes again after its delay and holds nobody up meanwhile", async () => {
      const first = message("standard");
      await queue.publish([first]);
      const refused = await queue.pull(["standard"], soon());
      refused.nak(300);
      const second = message("standard");
      await queue.publish([second]);
      expect((await pull(["standard"])).ref).toEqual(second.ref);
      const startedMs = performance.now();
      expect((await pull(["standard"])).ref).toEqual(first.ref);
      expect(performance.now() - startedMs).toBeGreaterThan(100);
    });

    test("the same message published twice comes once", async () => {
      const sent = message("interactive");
      await queue.publish([sent]);
      await queue.publish([sent]);
      expect((await pull(["interactive"])).ref).toEqual(sent.ref);
      const none = queue.pull(["interactive"], AbortSignal.timeout(150));
      expect(
        await none.then(
          () => "a message",
          () => "aborted",
        ),
      ).toBe("aborted");
    });

    test("depth counts what waits and what is not acknowledged", async () => {
      const before = await queue.depth();
      await queue.publish([message("batch"), message("batch")]);
      expect((await queue.depth()).batch).toBe(before.batch + 2);
      const taken = await queue.pull(["batch"], soon());
      expect((await queue.depth()).batch).toBe(before.batch + 2);
      taken.ack();
      await pull(["batch"]);
      await Bun.sleep(50);
      expect((await queue.depth()).batch).toBe(before.batch);
    });
  });
}
