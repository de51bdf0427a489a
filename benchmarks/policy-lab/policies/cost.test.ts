import { expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import { dynamo, startDynamo } from "./dynamo.ts";
import { llmD, llmDPrecise } from "./llm-d.ts";
import { lmetric } from "./lmetric.ts";
import { oracle } from "./oracle.ts";
import { dynamoDefaults } from "./shared/dynamo-cost.ts";
import { replicaViews, requestOf, startPolicy, storedEvents } from "./testing/hand-made-fleet.ts";
import { vllmBalancer } from "./vllm-balancer.ts";

test("llm-d weighs queue 2, KV use 2 and prefix 3", () => {
  const warm = (changes: Record<number, object>) => {
    const run = startPolicy(llmDPrecise, 2);
    run.onCacheEvents?.(0, storedEvents(["system:160"]), 0);
    return run.place(requestOf(["system:160"]), replicaViews(2, changes), 0);
  };
  // A full match is worth 3: more than the whole queue or the whole KV use, less than both.
  expect(warm({ 0: { waiting: 9 } })).toBe(0);
  expect(warm({ 0: { kvUsage: 1 } })).toBe(0);
  expect(warm({ 0: { waiting: 9, kvUsage: 0.4 } })).toBe(0);
  expect(warm({ 0: { waiting: 9, kvUsage: 0.6 } })).toBe(1);
});

test("llm-d learns from where it sent a prompt, and forgets a lost replica", () => {
  const run = startPolicy(llmD, 4);
  const place = (changes = {}) => run.place(requestOf(["system:640"]), replicaViews(4, changes), 0);
  const home = Number(place());
  expect(place({ [home]: { waiting: 5 } })).toBe(home);
  run.onReplicaLost?.(home, 1);
  expect(place({ [home]: { waiting: 5 } })).not.toBe(home);
});

test("vLLM's own balancer weighs a waiting request as four running ones", () => {
  const run = startPolicy(vllmBalancer, 2);
  const views = replicaViews(2, { 0: { waiting: 2 }, 1: { running: 9 } });
  expect(run.place(requestOf(["a:64"]), views, 0)).toBe(0);
  // The counts are still the same, but it knows what it sent: 4·3 against 9.
  expect(run.place(requestOf(["a:64"]), views, 0)).toBe(1);
});

test("LMetric multiplies uncached tokens with the batch, the request itself included", () => {
  const run = startPolicy(lmetric, 2);
  run.onCacheEvents?.(0, storedEvents(["system:144"]), 0);
  // Replica 0: 16 uncached of 160. Replica 1: all 160. Idle both: the warm one wins, not a tie.
  const sent: number[] = [];
  for (let n = 0; n < 4; n++) {
    const request = requestOf(["system:144", "tail:16"]);
    sent.push(Number(run.place(request, replicaViews(2), 0)));
    run.onFirstToken?.(request.id, 0);
  }
  // 16·1, 16·2, 16·3, 16·4 all stay below 160·1.
  expect(sent).toEqual([0, 0, 0, 0]);
  for (let n = 0; n < 5; n++) {
    const request = requestOf(["system:144", "tail:16"]);
    run.place(request, replicaViews(2), 0);
    run.onFirstToken?.(request.id, 0);
  }
  // 16·10 = 160·1: equal products go to the smaller batch.
  expect(run.place(requestOf(["system:144", "tail:16"]), replicaViews(2), 0)).toBe(1);
});

test("LMetric counts prefill that is still ahead", () => {
  const run = startPolicy(lmetric, 2);
  const first = Number(run.place(requestOf(["long:1600"]), replicaViews(2), 0));
  expect(run.place(requestOf(["short:16"]), replicaViews(2), 0)).toBe(1 - first);
});

test("Dynamo trades one uncached block for one active block", () => {
  const run = startPolicy(dynamo, 2);
  run.onCacheEvents?.(0, storedEvents(["system:640"]), 0);
  const views = replicaViews(2);
  // 40 cached blocks win while replica 0 has fewer than 40 more active blocks than replica 1.
  const first = requestOf(["system:640"]);
  expect(run.place(first, views, 0)).toBe(0);
  run.onFirstToken?.(first.id, 0);
  const onlyZero = replicaViews(2, { 1: { healthy: false } });
  const big = requestOf(["other:1280"]);
  expect(run.place(big, onlyZero, 0)).toBe(0);
  run.onFirstToken?.(big.id, 0);
  // Active there: 40 shared (counted once) and 80 of the other; overlap credit 40: 1 is cheaper.
  expect(run.place(requestOf(["system:640"]), views, 0)).toBe(1);
  run.onEnded?.(big.id, 1, undefined);
  expect(run.place(requestOf(["system:640"]), views, 0)).toBe(0);
});

test("Dynamo's temperature spreads by softmax over costs scaled to 0…1", () => {
  const counts = [0, 0];
  for (let seed = 0; seed < 400; seed++) {
    const run = startPolicy(
      { start: (context) => startDynamo(context, { ...dynamoDefaults, temperature: 1 }) },
      2,
      { random: seededRandom(seed) },
    );
    run.onCacheEvents?.(0, storedEvents(["system:640"]), 0);
    counts[Number(run.place(requestOf(["system:640"]), replicaViews(2), 0))]! += 1;
  }
  // e⁰ : e⁻¹ = 73 % : 27 %.
  expect(counts[0]).toBeWithin(264, 320);
});

test("the oracle weighs true prefill ahead against true cache, in seconds", () => {
  const run = startPolicy(oracle, 2, {
    truth: (replica) => ({
      cachedTokens: () => (replica === 0 ? 800 : 0),
      outstandingSeconds: () => 0,
      prefillSeconds: (uncached) => uncached * 20e-6,
    }),
  });
  // 200 uncached tokens each on replica 0, 1,000 on replica 1: it takes five of them, not six.
  const sent = Array.from({ length: 6 }, (_, index) =>
    run.place(requestOf([`a${index}:1008`]), replicaViews(2), 0),
  );
  expect(sent.filter((replica) => replica === 0)).toHaveLength(5);
});

test("the oracle admits sessions while the union of their blocks fits, shared ones once", () => {
  const run = startPolicy(oracle, 1);
  const place = (sessionId: string, own: number) =>
    run.place(requestOf(["system:8000", `${sessionId}:${own}`], { sessionId }), replicaViews(1), 0);
  // 16,000 tokens of KV, 90 % for new sessions: 8,000 shared and 6,400 to themselves.
  expect(place("a", 3200)).toBe(0);
  expect(place("b", 3072)).toBe(0);
  expect(place("c", 640)).toBe("hold");
  run.onSessionEnded?.("a", 1);
  expect(place("c", 640)).toBe(0);
});
