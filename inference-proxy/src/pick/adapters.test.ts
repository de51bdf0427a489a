import { describe, expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import { ask, endpoint, names, promptOf } from "../testing/placing.ts";
import { Adapters } from "./adapters.ts";
import { type Booking, type Endpoint, Placer } from "./index.ts";

describe("Adapters", () => {
  test("keeps as many as the engine does, the latest ones; nothing is known where it says nothing", () => {
    const adapters = new Adapters(2, 0.2);
    adapters.use(0, "sql");
    expect([adapters.isReady(0, "sql"), adapters.isReady(0, "go")]).toEqual([true, true]);
    adapters.hear(0, { inUse: [], slots: 2 });
    expect(adapters.isReady(0, "sql")).toBe(false);
    adapters.use(0, "sql");
    adapters.use(0, "go");
    adapters.use(0, "sql");
    adapters.hear(0, { inUse: ["rust"], slots: 2 });
    const ready = ["sql", "go", "rust"].map((name) => adapters.isReady(0, name));
    expect(ready).toEqual([true, false, true]);
    adapters.lose(0);
    expect(adapters.isReady(0, "sql")).toBe(false);
    adapters.hear(0, undefined);
    expect(adapters.isReady(0, "sql")).toBe(true);
  });
});

describe("placement of requests for an adapter", () => {
  const models = new Set(["m", "sql"]);
  const fleet: readonly Endpoint[] = names.map((name, replica) =>
    endpoint(name, {
      models: name === "d" ? new Set(["m"]) : models,
      adapters: new Set(["sql"]),
      adaptersInUse: { inUse: replica === 1 ? ["sql"] : [], slots: 1 },
      engineSaidAtMs: 1,
    }),
  );
  const placer = () => new Placer({ names, random: seededRandom(1), adapterLoadSeconds: 0.2 });
  const request = (session: string) => ({ ...ask(promptOf(session, 4)), model: "sql" });

  test("they go where it is ready, until waiting there costs more than loading it elsewhere", () => {
    const chooser = placer();
    const places: string[] = [];
    for (let count = 0; count < 60; count += 1) {
      const placed = chooser.place(fleet, request(`s${count}`), count);
      places.push("booking" in placed ? placed.booking.endpoint : placed.reason);
    }
    expect(places.slice(0, 3)).toEqual(["b", "b", "b"]);
    expect(new Set(places)).toEqual(new Set(["a", "b", "c"]));
  });

  test("what a load takes is learned from first events that waited for one, and is no prefill", () => {
    const both = new Set(["sql", "go"]);
    const few = fleet.map((each) => ({ ...each, models: both, adapters: both }));
    const chooser = placer();
    const excluded = new Set(["b", "c", "d"]);
    for (const model of ["sql", "go"]) {
      const placed = chooser.place(few, { ...request("s"), model, excluded }, 0);
      const { booking } = placed as { booking: Booking };
      booking.firstEvent(1200);
      const usage = { promptTokens: 1124, cachedTokens: 0 };
      booking.release({ usage, rest: "bash" }, 1300);
    }
    // "go" has taken the place of "sql". Prefill itself is 1,124 tokens of 21 us each.
    const lines = chooser.explain(few, { ...request("s"), model: "sql" }, 2000);
    const line = lines.find((each) => each.endpoint === "a");
    const loadSeconds = 1.2 - 1124 * 21e-6;
    const learned = 0.2 + (1 - 0.8 ** 2) * (loadSeconds - 0.2);
    expect(line?.terms.adapter).toBeCloseTo(learned, 3);
  });

  test("the term is told, and is of requests for adapters alone", () => {
    const chooser = placer();
    const termOf = (model: string) => {
      const lines = chooser.explain(fleet, { ...request("s"), model }, 0);
      return new Map(lines.map(({ endpoint: name, terms }) => [name, terms.adapter]));
    };
    expect([termOf("sql").get("a"), termOf("sql").get("b")]).toEqual([0.2, 0]);
    expect([...termOf("m").values()]).toEqual([0, 0, 0, 0]);
  });
});
