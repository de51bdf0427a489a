import { describe, expect, test } from "bun:test";
import { createPrompts, type Prompts, type ReadPrompt } from "./prompts.ts";
import type { SessionLimits } from "./session-store.ts";

/** Prompts with a clock that the test moves. */
function setUp(limits: Partial<SessionLimits> = {}): Prompts & { nowMs: number } {
  const own = { nowMs: 0 };
  const prompts = createPrompts({
    hash: Bun.hash.rapidhash,
    memoSeed: 1n,
    keySeed: 3n,
    nowMs: () => own.nowMs,
    tokensOf: (_model, bytes) => Math.ceil(bytes / 4),
    blockTokensOf: () => 16,
    memoBytesMax: 1e6,
    sessions: { sessionsMax: 100, marksMax: 10_000, bodyBytesMax: 1e6, ttlMs: 1000, ...limits },
  });
  return Object.assign(own, prompts);
}

interface Ask {
  readonly tenant?: string;
  readonly model?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Beside the messages. */
  readonly body?: Readonly<Record<string, unknown>>;
  readonly replica?: string;
}

/** Reads a request and has it served. */
function ask(prompts: Prompts, messages: readonly unknown[], options: Ask = {}): ReadPrompt {
  const { tenant = "acme", model = "m", headers = {}, body = {}, replica = "a" } = options;
  const bytes = new TextEncoder().encode(JSON.stringify({ ...body, model, messages }));
  const prompt = prompts.identify(prompts.scan(bytes, tenant, "messages"), {
    model,
    salt: tenant,
    lora: "",
    headers: new Headers(headers),
    sessionId: "",
  });
  prompts.served(prompt, replica);
  return prompt;
}

const system = { role: "system", content: `You are an agent. ${"Rules. ".repeat(300)}` };
const user = (text: string) => ({ role: "user", content: text });
const assistant = (text: string) => ({
  role: "assistant",
  content: `${text} ${"and so on ".repeat(20)}`,
});
const tool = (id: string) => ({ role: "tool", tool_call_id: id, content: `result of ${id}` });

/** A session of some turns, as its last request. */
const turns = (name: string, count: number): unknown[] => [
  system,
  user(`Do ${name}`),
  ...Array.from({ length: count }, (_, turn) => [
    assistant(`${name} ${turn}`),
    tool(`call_${name}_${turn}`),
  ]).flat(),
];

describe("a session found in the prompt", () => {
  test("goes on while each request begins with the one before it", () => {
    const prompts = setUp();
    const first = ask(prompts, turns("x", 0), { replica: "b" });
    expect(first.session).toMatchObject({ kind: "new", source: "prompt", commonChunks: 0 });
    expect(first.home).toBe("");
    for (let turn = 1; turn < 5; turn += 1) {
      const next = ask(prompts, turns("x", turn), { replica: "b" });
      expect(next.session).toMatchObject({ id: first.session.id, kind: "continuation" });
      expect(next.session.commonChunks).toBeGreaterThanOrEqual(2);
      expect(next.cacheBreak).toBeUndefined();
      expect([next.home, next.commonMessages]).toEqual(["b", 2 * turn]);
    }
  });

  test("is the same for a request that is sent again", () => {
    const prompts = setUp();
    const first = ask(prompts, turns("x", 2));
    const again = ask(prompts, turns("x", 2));
    expect(again.session).toMatchObject({ id: first.session.id, kind: "continuation" });
    expect(again.session.commonChunks).toBe(again.keys.length);
  });

  test("is of short chats, too, which fill no chunk", () => {
    const prompts = setUp();
    const first = ask(prompts, [user("hi")]);
    expect(first.keys.length).toBe(1);
    const next = ask(prompts, [user("hi"), { role: "assistant", content: "hello" }, user("!")]);
    expect(next.session).toMatchObject({ id: first.session.id, kind: "continuation" });
  });

  test("is another one for each of many that begin alike", () => {
    const prompts = setUp();
    const ids = Array.from(
      { length: 20 },
      (_, index) => ask(prompts, turns(`x${index}`, 0)).session.id,
    );
    expect(new Set(ids).size).toBe(20);
    for (const [index, id] of ids.entries()) {
      expect(ask(prompts, turns(`x${index}`, 1)).session).toMatchObject({
        id,
        kind: "continuation",
      });
    }
  });

  test("begins anew when an equal first request comes after its session went on", () => {
    const prompts = setUp();
    const one = ask(prompts, turns("x", 0));
    ask(prompts, turns("x", 3));
    const other = ask(prompts, turns("x", 0));
    expect(other.session.kind).toBe("new");
    expect(other.session.id).not.toBe(one.session.id);
    const next = [...turns("x", 0), assistant("another answer"), user("go")];
    expect(ask(prompts, next).session).toMatchObject({
      id: other.session.id,
      kind: "continuation",
    });
    expect(ask(prompts, turns("x", 4)).session.id).toBe(one.session.id);
  });

  test("forks where a branch leaves what a model has written, and knows where it came from", () => {
    const prompts = setUp();
    const trunk = ask(prompts, turns("x", 4), { replica: "b" });
    const branch = ask(prompts, [...turns("x", 2), user("Something else, please.")]);
    expect(branch.session).toMatchObject({ kind: "fork", parentId: trunk.session.id });
    expect(branch.session.id).not.toBe(trunk.session.id);
    expect([branch.home, branch.cacheBreak]).toEqual(["b", undefined]);
    expect(ask(prompts, turns("x", 5)).session).toMatchObject({
      id: trunk.session.id,
      kind: "continuation",
    });
  });

  test("stays when its history is cut from the front or summed up before its last messages", () => {
    const prompts = setUp();
    const before = turns("x", 8);
    const first = ask(prompts, before);
    const next = ask(prompts, [system, user("What happened so far: much."), ...before.slice(-4)]);
    expect(next.session).toMatchObject({ id: first.session.id, kind: "compaction" });
    expect(next.cacheBreak).toMatchObject({ cause: "compacted", message: 1, role: "user" });
  });

  test("stays when all but the system prompt is replaced by a summary, if it can only be this one", () => {
    const summary = user(
      "This session is being continued from a previous conversation. Summary: …",
    );
    const alone = setUp();
    const first = ask(alone, turns("x", 30));
    expect(ask(alone, [system, summary]).session).toMatchObject({
      id: first.session.id,
      kind: "compaction",
    });
    const several = setUp();
    ask(several, turns("x", 30));
    ask(several, turns("y", 30));
    expect(ask(several, [system, summary]).session.kind).toBe("new");
    const plain = setUp();
    ask(plain, turns("x", 30));
    expect(ask(plain, [system, user("Write a poem.")]).session.kind).toBe("new");
  });

  test("stays when an earlier message changes and later ones do not", () => {
    const prompts = setUp();
    const before = turns("x", 4);
    const first = ask(prompts, before);
    const next = ask(prompts, [
      ...before.with(2, assistant("edited")),
      assistant("new"),
      user("?"),
    ]);
    expect(next.session).toMatchObject({ id: first.session.id, kind: "rewrite" });
    expect(next.cacheBreak).toMatchObject({
      cause: "message-edited",
      message: 2,
      role: "assistant",
    });
    expect(ask(prompts, [...before, assistant("never mind")]).session.id).not.toBe("");
  });

  test("goes on when a client moves its marks for a cache along", () => {
    const prompts = setUp();
    const mark = { cache_control: { type: "ephemeral" } };
    const marked = (text: string) => ({
      role: "user",
      content: [{ type: "text", text, ...mark }],
    });
    const history: unknown[] = [system];
    const ids = new Set<string>();
    for (let turn = 0; turn < 6; turn += 1) {
      const text = `Turn ${turn}. ${"Read on. ".repeat(40)}`;
      const next = ask(prompts, [...history, marked(text)], { replica: "b" });
      expect(next.session.kind).toBe(turn === 0 ? "new" : "continuation");
      expect(next.cacheBreak).toBeUndefined();
      ids.add(next.session.id);
      history.push(user(text), assistant(`answer ${turn}`));
    }
    expect(ids.size).toBe(1);
    expect(ask(prompts, [...history, user("!")]).home).toBe("b");
  });

  test("stays when its last message was edited before it was answered", () => {
    const prompts = setUp();
    const first = ask(prompts, [...turns("x", 2), user("Go on.")]);
    const next = ask(prompts, [...turns("x", 2), user("Go on!"), assistant("well"), user("?")]);
    expect(next.session).toMatchObject({ id: first.session.id, kind: "rewrite" });
    expect(next.cacheBreak).toMatchObject({ cause: "message-edited", message: 6, role: "user" });
  });

  test("is another one for the same question with other tools, but not after an answer", () => {
    const prompts = setUp();
    const tools = [{ type: "function", function: { name: "f" } }];
    const first = ask(prompts, turns("x", 0));
    const other = ask(prompts, turns("x", 0), { body: { tools } });
    expect(other.session.kind).toBe("new");
    expect(other.session.id).not.toBe(first.session.id);
    ask(prompts, turns("y", 2));
    const next = ask(prompts, turns("y", 3), { body: { tools } });
    expect(next.session.kind).toBe("continuation");
    expect(next.cacheBreak?.cause).toBe("tools-changed");
  });

  test("is never shared by tenants, models, users or cache keys", () => {
    const prompts = setUp();
    const messages = turns("x", 1);
    const options: readonly Ask[] = [
      {},
      { tenant: "globex" },
      { model: "other" },
      { body: { user: "u1" } },
      { body: { user: "u2" } },
      { body: { prompt_cache_key: "u1" } },
    ];
    const found = options.map((option) => ask(prompts, messages, option));
    expect(found.map(({ session }) => session.kind)).toEqual(options.map(() => "new"));
    expect(new Set(found.map(({ session }) => session.id)).size).toBe(options.length);
    expect(found[1]?.session.id.startsWith("globex/")).toBe(true);
    for (const [index, option] of options.entries()) {
      const next = ask(prompts, turns("x", 2), option);
      expect(next.session.id).toBe(found[index]!.session.id);
    }
  });

  test("shares no key with another tenant's, model's or tools' prompt", () => {
    const prompts = setUp();
    const options: readonly Ask[] = [
      {},
      { tenant: "globex" },
      { model: "other" },
      { body: { tools: [{ type: "function", function: { name: "f" } }] } },
      { body: { system: "x" } },
    ];
    const keys = options.flatMap((option) => [
      ...Array.from(ask(prompts, turns("x", 9), option).keys),
    ]);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.every((key) => Number.isSafeInteger(key) && key >= 0)).toBe(true);
  });
});

describe("a session that the client names", () => {
  const headers = { "x-session-id": "s1" };

  test("is that one whatever its prompts are", () => {
    const prompts = setUp();
    const first = ask(prompts, turns("x", 3), { headers });
    expect(first.session).toMatchObject({ kind: "new", source: "header" });
    expect(first.statedId).toBe("s1");
    expect(first.session.id).toStartWith("acme/");
    const kinds = [turns("x", 4), turns("y", 1), [user("Other.")]].map(
      (messages) => ask(prompts, messages, { headers }).session,
    );
    expect(kinds.map(({ id }) => id)).toEqual(kinds.map(() => first.session.id));
    expect(kinds[0]?.kind).toBe("continuation");
    expect(ask(prompts, turns("x", 4)).session.id).not.toBe(first.session.id);
    const other = ask(prompts, turns("x", 4), { headers, tenant: "globex" });
    expect(other.session).toMatchObject({ kind: "new" });
    expect(other.session.id).not.toBe(first.session.id);
  });

  test("is told apart from its sub-agents under one name, which go on as they were", () => {
    const prompts = setUp();
    const main = (turn: number) => ask(prompts, turns("x", turn), { headers });
    const helper = (turn: number) =>
      ask(prompts, [{ role: "system", content: "Helper." }, ...turns("y", turn).slice(1)], {
        headers,
        replica: "b",
      });
    main(1);
    helper(1);
    for (let turn = 2; turn < 5; turn += 1) {
      expect(main(turn)).toMatchObject({ home: "a", session: { kind: "continuation" } });
      expect(helper(turn)).toMatchObject({ home: "b", session: { kind: "continuation" } });
    }
  });

  test("is compacted when its history became far shorter", () => {
    const prompts = setUp();
    ask(prompts, turns("x", 30), { headers });
    const next = ask(prompts, [system, user("All that was.")], { headers });
    expect(next.session.kind).toBe("compaction");
    expect(next.cacheBreak).toMatchObject({ cause: "compacted", message: 1 });
  });
});

describe("what is remembered of sessions", () => {
  test("is forgotten after its time", () => {
    const prompts = setUp();
    ask(prompts, turns("x", 1));
    prompts.nowMs = 900;
    expect(ask(prompts, turns("x", 2)).session.kind).toBe("continuation");
    prompts.nowMs = 1800;
    expect(ask(prompts, turns("x", 3)).session.kind).toBe("continuation");
    prompts.nowMs = 2801;
    expect(ask(prompts, turns("x", 4)).session.kind).toBe("new");
  });

  test("is bounded in sessions, and a tenant that has many loses its own oldest", () => {
    const prompts = setUp({ sessionsMax: 10 });
    ask(prompts, turns("light", 0), { tenant: "light" });
    for (let index = 0; index < 50; index += 1) ask(prompts, turns(`x${index}`, 0));
    expect(ask(prompts, turns("light", 1), { tenant: "light" }).session.kind).toBe("continuation");
    expect(ask(prompts, turns("x49", 1)).session.kind).toBe("continuation");
    expect(ask(prompts, turns("x30", 1)).session.kind).toBe("new");
  });

  test("is bounded for any number of tenants, the ones that came longest ago go first", () => {
    const prompts = setUp({ sessionsMax: 100 });
    for (let index = 0; index < 500; index += 1) {
      ask(prompts, turns("x", 0), { tenant: `t${index}` });
    }
    const kindOf = (tenant: string) => ask(prompts, turns("x", 1), { tenant }).session.kind;
    expect([kindOf("t499"), kindOf("t420"), kindOf("t300")]).toEqual([
      "continuation",
      "continuation",
      "new",
    ]);
  });

  test("comes back whole when it was pushed out while a call was under way", () => {
    const prompts = setUp({ sessionsMax: 2 });
    ask(prompts, turns("x", 2));
    const bytes = new TextEncoder().encode(JSON.stringify({ messages: turns("x", 3) }));
    const owner = { model: "m", salt: "acme", lora: "", headers: undefined, sessionId: "" };
    const underWay = prompts.identify(prompts.scan(bytes, "acme", "messages"), owner);
    ask(prompts, turns("y", 0));
    ask(prompts, turns("z", 0));
    prompts.served(underWay, "a");
    const branch = ask(prompts, [...turns("x", 1), user("Something else.")]);
    expect(branch.session).toMatchObject({ kind: "fork", parentId: underWay.session.id });
  });

  test("is bounded in places", () => {
    const prompts = setUp({ marksMax: 130 });
    ask(prompts, turns("x", 20));
    ask(prompts, turns("y", 20));
    ask(prompts, turns("z", 20));
    expect(ask(prompts, turns("x", 21)).session.kind).toBe("new");
    expect(ask(prompts, turns("z", 21)).session.kind).toBe("continuation");
  });
});

describe("a prompt without messages", () => {
  const complete = (prompts: Prompts, prompt: unknown) => {
    const bytes = new TextEncoder().encode(JSON.stringify({ prompt, model: "m" }));
    const owner = { model: "m", salt: "acme", lora: "", headers: undefined, sessionId: "" };
    const read = prompts.identify(prompts.scan(bytes, "acme", "prompt"), owner);
    prompts.served(read, "a");
    return read;
  };

  test("is a session by the text that it begins with", () => {
    const prompts = setUp();
    const text = "Once upon a time. ".repeat(200);
    const first = complete(prompts, text);
    expect(first.isExact).toBe(false);
    const next = complete(prompts, `${text} And then.`);
    expect(next.session).toMatchObject({ id: first.session.id, kind: "continuation" });
    expect(next.session.commonChunks).toBe(3);
  });

  test("has exact keys when it is given as token ids", () => {
    const prompts = setUp();
    const ids = Array.from({ length: 100 }, (_, index) => index * 7);
    const first = complete(prompts, ids);
    expect(first).toMatchObject({ isExact: true, promptTokens: 100, chunkTokens: 16 });
    expect(first.keys.length).toBe(6);
    const next = complete(prompts, [...ids, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    expect(next.session).toMatchObject({ id: first.session.id, kind: "continuation" });
    expect(next.session.commonChunks).toBe(6);
  });

  test("has no identity where there is none", () => {
    const prompts = setUp();
    expect(complete(prompts, null)).toMatchObject({ session: { id: "" }, home: "" });
    expect(complete(prompts, {}).keys.length).toBe(0);
  });
});
