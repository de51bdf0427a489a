// Goal: what is remembered of pods that are gone never stands before what pods serve that are there.

import { expect, test } from "bun:test";
import { parseUpstreams, placeOfPod } from "../upstream/pod-places.ts";
import { createPool } from "../upstream/pool.ts";
import { createModels } from "./models.ts";

test("after all pods were replaced the default model is that of the new ones", () => {
  const addresses = parseUpstreams(["dns://vllm.svc:8000"], undefined, 2);
  const pool = createPool({ addresses, inFlightMax: 1 });
  const models = createModels({
    pool,
    tiers: new Map(),
    defaultModel: undefined,
    embeddingModel: undefined,
  });
  const move = (place: number, ip: string | undefined) => {
    const { address } = pool.replicas[place]!;
    if (address.pod === undefined) throw new Error("the place is missing");
    pool.move(address.name, placeOfPod(address, address.pod, ip));
    return address.name;
  };
  const serve = (name: string, id: string, contextTokens: number) =>
    pool.update(name, { healthy: true, models: [{ id, contextTokens }] });
  serve(move(0, "10.0.0.1"), "old", 1000);
  expect(models.resolve("")).toBe("old");
  serve(move(1, "10.0.0.2"), "new", 1000);
  move(0, undefined);
  expect(models.resolve("")).toBe("new");
  expect(models.list().map(({ id, healthyReplicas }) => [id, healthyReplicas])).toEqual([
    ["new", 1],
    ["old", 0],
  ]);
  // Nobody lands on the one that is gone: how long its prompts could be bounds nobody's.
  serve("vllm.svc:8000~1", "old", 9000);
  expect(models.list()).toEqual([{ id: "old", contextTokens: 9000, healthyReplicas: 1 }]);
});
