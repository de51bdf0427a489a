import { describe, expect, test } from "bun:test";
import { WarmpathError } from "@warmpath/runtime/base";
import { createManualClock } from "@warmpath/runtime/testing";
import { decideRoute } from "./decide.ts";
import { followRoute } from "./follow.ts";
import { parseRouteRules } from "./parse-rules.ts";
import { createRouter } from "./router.ts";
import { traitsOf } from "./traits.ts";
import type { ModelState, RequestTraits, Room, RouteRule } from "./types.ts";

function traits(given: Partial<RequestTraits> = {}): RequestTraits {
  return {
    asked: "auto",
    session: "",
    tier: "",
    promptTokens: 100,
    hasTools: () => false,
    header: () => undefined,
    metadata: () => undefined,
    text: () => "",
    ...given,
  };
}

function ruleOf(entry: string): RouteRule {
  const [rule] = parseRouteRules([entry]);
  if (rule === undefined) {
    throw new Error("a table of one line has one");
  }
  return rule;
}

describe("parseRouteRules()", () => {
  test.each([
    ["any -> m", {}, true],
    ["model=auto -> m", {}, true],
    ["model=other|auto -> m", {}, true],
    ["model= -> m", { asked: "" }, true],
    ["model=other -> m", {}, false],
    ["tier=large -> m", { tier: "large" }, true],
    ["tier=large -> m", { asked: "large" }, true],
    ["tier=large -> m", { asked: "large", tier: "small" }, false],
    ["tools -> m", { hasTools: () => true }, true],
    ["no-tools -> m", { hasTools: () => true }, false],
    ["prompt>=32k -> m", { promptTokens: 32_000 }, true],
    ["prompt>=32k -> m", { promptTokens: 31_999 }, false],
    ["prompt<100 -> m", { promptTokens: 100 }, false],
    [
      "header:x-app=ci -> m",
      { header: (name: string) => (name === "x-app" ? "ci" : undefined) },
      true,
    ],
    ["header:x-app=ci -> m", {}, false],
    ["meta:team~^(a|b)$ -> m", { metadata: () => "B" }, true],
    ["text~refund\\s+now -> m", { text: () => "a Refund  now!" }, true],
    ["tools prompt<50 -> m", { hasTools: () => true }, false],
  ])("%s, as it should: case %#", (entry, given, holds) => {
    expect(ruleOf(entry).matches(traits(given))).toBe(holds);
  });

  test("ranks the models behind the arrow", () => {
    expect(ruleOf("any -> own  big|other last").ranks).toEqual([
      ["own"],
      ["big", "other"],
      ["last"],
    ]);
  });

  test.each(["", "any", "-> m", "any ->", "a -> b -> c", "size=9 -> m", "text~( -> m"])(
    "refuses %p by name",
    (entry) => {
      expect(() => parseRouteRules(["any -> fine", entry])).toThrow(`"${entry}"`);
    },
  );
});

describe("decideRoute()", () => {
  const decide = (
    entry: string,
    states: Readonly<Record<string, readonly [Room, number?]>>,
    prices: Readonly<Record<string, number>> = {},
  ) => {
    const { steps } = decideRoute(ruleOf(entry), {
      stateOf: (model): ModelState => {
        const [room, blockedMs = 0] = states[model] ?? ["unknown"];
        return { room, blockedMs };
      },
      priceOf: (model) => prices[model] ?? 0,
      overflowWaitMs: 2000,
    });
    return steps.map(({ model, kind, waitMs }) => [model, kind, waitMs]);
  };
  const table = "any -> own hosted";

  test("takes the first choice while it has room", () => {
    expect(decide(table, { own: ["free"], hosted: ["free"] })).toEqual([
      ["own", "first", 2000],
      ["hosted", "first", 2000],
      ["own", "queue", undefined],
    ]);
  });

  test("waits for a saturated one as long as it may, and then goes on", () => {
    expect(decide(table, { own: ["saturated", 500], hosted: ["free"] }).slice(0, 2)).toEqual([
      ["own", "wait", 1500],
      ["hosted", "overflow", 2000],
    ]);
  });

  test.each(["saturated", "unhealthy"] as const)(
    "passes over one that is %s for too long",
    (room) => {
      expect(decide(table, { own: [room, 2000], hosted: ["free"] })).toEqual([
        ["hosted", "overflow", 2000],
        ["own", "queue", undefined],
      ]);
    },
  );

  test("takes the cheapest of a rank that has room", () => {
    const prices = { a: 9, b: 3, c: 1 };
    const states = { a: ["free"], b: ["free"], c: ["saturated", 9000] } as const;
    expect(decide("any -> a|b|c", states, prices).slice(0, 2)).toEqual([
      ["b", "cheapest", 2000],
      ["a", "cheapest", 2000],
    ]);
  });

  test("passes over what nobody serves, and queues where nothing has room", () => {
    const states = { own: ["saturated", 9000], hosted: ["saturated", 9000] } as const;
    expect(decide(table, states)).toEqual([["own", "queue", undefined]]);
    expect(decide("any -> gone own", states)).toEqual([["own", "queue", undefined]]);
    expect(decide("any -> gone", {})).toEqual([["gone", "queue", undefined]]);
  });

  test("has one step that waits like any request where there is one model", () => {
    expect(decide("any -> own", { own: ["free"] })).toEqual([["own", "first", undefined]]);
  });
});

describe("a router", () => {
  const create = (rooms: Record<string, Room>) => {
    const clock = createManualClock();
    let change = () => {};
    const router = createRouter({
      rules: parseRouteRules(["model=auto -> own hosted"]),
      overflowWaitMs: 2000,
      stayMs: 10_000,
      sessionsMax: 2,
      clock,
      roomOf: (model) => rooms[model] ?? "unknown",
      priceOf: () => 0,
      onChange: (listener) => {
        change = listener;
      },
    });
    return { clock, router, change: () => change() };
  };

  test("counts from when a model lost its room, and anew when it had some", async () => {
    const rooms: Record<string, Room> = { own: "saturated", hosted: "free" };
    const { clock, router, change } = create(rooms);
    const first = () => router.routeOf(traits())?.steps[0];
    expect(first()).toMatchObject({ model: "own", kind: "wait", waitMs: 2000 });
    await clock.advance(2000);
    expect(first()).toMatchObject({ model: "hosted", reason: "own is saturated for 2000 ms" });
    rooms["own"] = "free";
    change();
    rooms["own"] = "saturated";
    expect(first()).toMatchObject({ model: "own", kind: "wait", waitMs: 2000 });
  });

  test("keeps a session at its model while that has room and the session goes on", async () => {
    const rooms: Record<string, Room> = { own: "free", hosted: "free" };
    const { clock, router } = create(rooms);
    const first = (session: string) => router.routeOf(traits({ session }))?.steps[0];
    router.noteServed("acme/s", "hosted");
    expect(first("acme/s")).toMatchObject({ model: "hosted", kind: "stay" });
    expect(first("acme/other")).toMatchObject({ model: "own", kind: "first" });
    rooms["hosted"] = "saturated";
    expect(first("acme/s")).toMatchObject({ model: "own", kind: "first" });
    rooms["hosted"] = "free";
    await clock.advance(10_000);
    expect(first("acme/s")).toMatchObject({ model: "own", kind: "first" });
  });

  test("forgets the session that was silent for longest", () => {
    const { router } = create({ own: "free", hosted: "free" });
    for (const session of ["a", "b", "a", "c"]) {
      router.noteServed(session, "hosted");
    }
    const kinds = ["a", "b", "c"].map(
      (session) => router.routeOf(traits({ session }))?.steps[0]?.kind,
    );
    expect(kinds).toEqual(["stay", "first", "stay"]);
  });

  test("leaves requests alone that no rule is about", () => {
    expect(create({}).router.routeOf(traits({ asked: "own" }))).toBeUndefined();
  });

  test("waits for a model that is not well until it is, or until its time is up", async () => {
    const rooms: Record<string, Room> = { own: "unhealthy", hosted: "free" };
    const { clock, router, change } = create(rooms);
    const step = { model: "own", waitMs: 1000, kind: "wait", reason: "" } as const;
    const { signal } = new AbortController();
    const late = router.untilWell(step, signal);
    await clock.advance(1000);
    expect(await late).toBe(false);
    const soon = router.untilWell(step, signal);
    rooms["own"] = "free";
    change();
    expect(await soon).toBe(true);
  });

  test("tries the next model when one has no place, and no other after anything was sent", async () => {
    const { router } = create({ own: "free", hosted: "free" });
    const route = router.routeOf(traits());
    if (route === undefined) {
      throw new Error("the rule is about it");
    }
    const { signal } = new AbortController();
    const tried: string[] = [];
    const followed = await followRoute(router, route, {
      signal,
      open: async ({ model }) => {
        tried.push(model);
        if (model === "own") {
          throw new WarmpathError("rejected-queue-full", "busy");
        }
        return "opened";
      },
    });
    expect(followed).toMatchObject({ call: "opened", step: { model: "hosted" } });
    expect(tried).toEqual(["own", "hosted"]);
    const failing = followRoute(router, route, {
      signal,
      open: async () => {
        throw new WarmpathError("failed-upstream", "died");
      },
    });
    await expect(failing).rejects.toThrow("died");
  });
});

describe("traitsOf()", () => {
  const of = (body: Record<string, unknown>, headers: Record<string, string> = {}) =>
    traitsOf({
      asked: "m",
      tenant: "acme",
      promptTokens: 1,
      headers: new Headers(headers),
      body: { has: (name) => Object.hasOwn(body, name), read: (name) => body[name] },
    });

  test("finds the user's last words in every format", () => {
    const messages = [
      { role: "user", content: "old" },
      { role: "user", content: [{ type: "text", text: "new" }, { type: "image_url" }] },
      { role: "assistant", content: "no" },
    ];
    expect(of({ messages }).text()).toBe("new\n");
    expect(of({ input: "words" }).text()).toBe("words");
    expect(
      of({ input: [{ role: "user", content: [{ type: "input_text", text: "in" }] }] }).text(),
    ).toBe("in");
    expect(of({ prompt: [1, 2] }).text()).toBe("");
  });

  test("reads tools, metadata, tier and headers", () => {
    const seen = of(
      { tools: [{}], metadata: { team: "a" } },
      { "x-warmpath-tier": "large", "x-app": "ci" },
    );
    expect(seen.hasTools()).toBe(true);
    expect(of({ tools: [] }).hasTools()).toBe(false);
    expect(seen.metadata("team")).toBe("a");
    expect(seen.metadata("constructor")).toBeUndefined();
    expect(seen.tier).toBe("large");
    expect(seen.header("x-app")).toBe("ci");
  });
});
