import { describe, expect, test } from "bun:test";
import { scanBody } from "../prompt/index.ts";
import { startFakeEngine, startTestProxy, type TestProxy } from "../testing/index.ts";
import { questionOf } from "./question.ts";
import { membersOf } from "./request-key.ts";
import { createSemanticIndex } from "./semantic-index.ts";

const path = "/v1/chat/completions";
const semantic: RequestInit = { headers: { "x-warmpath-cache": "semantic" } };

/** Vectors that the engine of these tests gives to questions; every other has none. */
const vectors: Readonly<Record<string, readonly number[]>> = {
  "How tall is it?": [1, 0, 0],
  "What is its height?": [0.99, 0.14, 0],
  "How old is it?": [0.8, 0.6, 0],
};

/** Runs with a proxy before an engine that answers each question with its own text. */
async function withProxy(
  use: (proxy: TestProxy, counts: Record<string, number>) => Promise<void>,
): Promise<void> {
  const engine = startFakeEngine({ models: ["tiny", "tiny-embed"] });
  const counts: Record<string, number> = {};
  engine.answer = ({ path: asked, body }) => {
    counts[asked] = (counts[asked] ?? 0) + 1;
    const parsed = JSON.parse(body);
    if (asked === "/v1/embeddings") {
      const embedding = vectors[parsed.input[0]];
      return embedding === undefined
        ? Response.json({ error: { message: "no" } }, { status: 400 })
        : Response.json({ data: [{ index: 0, embedding }] });
    }
    const content = `about: ${parsed.messages.at(-1).content}`;
    const choices = [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }];
    return Response.json({ object: "chat.completion", choices });
  };
  const proxy = await startTestProxy([engine]);
  try {
    await use(proxy, counts);
  } finally {
    await proxy.close();
    await engine.stop();
  }
}

const ask = (question: string, system = "Be brief.") => ({
  model: "tiny",
  messages: [
    { role: "system", content: system },
    { role: "user", content: question },
  ],
});

async function cacheOf(proxy: TestProxy, body: object): Promise<readonly (string | null)[]> {
  const response = await proxy.post(path, body, semantic);
  const { headers } = response;
  await response.text();
  return [headers.get("x-warmpath-cache"), headers.get("x-warmpath-cache-similarity")];
}

describe("the semantic cache", () => {
  test("answers a question that means the same, and says how near it is", async () => {
    await withProxy(async (proxy) => {
      expect(await cacheOf(proxy, ask("How tall is it?"))).toEqual(["miss", null]);
      const response = await proxy.post(path, ask("What is its height?"), semantic);
      expect(response.headers.get("x-warmpath-cache")).toBe("semantic");
      expect(Number(response.headers.get("x-warmpath-cache-similarity"))).toBeCloseTo(0.9901, 3);
      expect(await response.text()).toContain("about: How tall is it?");
      expect(await cacheOf(proxy, ask("How old is it?"))).toEqual(["miss", null]);
      expect(await cacheOf(proxy, ask("How tall is it?"))).toEqual(["hit", null]);
    });
  });

  test("compares only what has equal surroundings", async () => {
    await withProxy(async (proxy) => {
      await cacheOf(proxy, ask("How tall is it?"));
      const other = ask("What is its height?", "Be long.");
      expect(await cacheOf(proxy, other)).toEqual(["miss", null]);
      const warmer = { ...ask("What is its height?"), temperature: 0.5 };
      expect(await cacheOf(proxy, warmer)).toEqual(["miss", null]);
    });
  });

  test("is exact only where a question has no vector", async () => {
    await withProxy(async (proxy, counts) => {
      expect(await cacheOf(proxy, ask("Why?"))).toEqual(["miss", null]);
      expect(await cacheOf(proxy, ask("Why?"))).toEqual(["hit", null]);
      expect(counts).toEqual({ [path]: 1, "/v1/embeddings": 1 });
    });
  });
});

describe("questionOf()", () => {
  const root = ["acme", path, "tiny"];
  const questionIn = (messages: readonly object[], more: object = {}) => {
    const members = membersOf(
      scanBody(new TextEncoder().encode(JSON.stringify({ messages, ...more }))),
    );
    return members && questionOf(root, members);
  };
  const user = (content: unknown) => ({ role: "user", content });

  test("parts a question from its surroundings", () => {
    const before = { role: "assistant", content: "Hello." };
    const one = questionIn([before, user("How tall?")]);
    const same = questionIn([before, user([{ type: "text", text: "How high?" }])]);
    const named = questionIn([before, { ...user("How tall?"), name: "bob" }]);
    expect([one?.text, same?.text]).toEqual(["How tall?", "How high?"]);
    expect(same?.group).toBe(one?.group as string);
    expect(named?.group).not.toBe(one?.group as string);
    expect(questionIn([before, user("How tall?")], { seed: 1 })?.group).not.toBe(
      one?.group as string,
    );
  });

  test.each<[string, readonly object[]]>([
    ["a tool's result", [{ role: "assistant" }, { role: "tool", content: "4" }, user("So?")]],
    ["an image", [user([{ type: "image_url", image_url: { url: "data:" } }])]],
    ["a result as content", [user([{ type: "tool_result", content: "4" }])]],
    ["a long text", [user("x".repeat(2001))]],
    ["no user's message last", [user("Hi"), { role: "assistant", content: "Hello" }]],
    ["nothing", []],
  ])("finds none in %s", (_what, messages) => {
    expect(questionIn(messages)).toBeUndefined();
  });
});

describe("createSemanticIndex()", () => {
  const vector = (...values: number[]) => Float32Array.from(values);
  const always = () => true;

  test("finds the nearest of a group, whatever the lengths of the vectors", () => {
    const index = createSemanticIndex({ entriesMax: 10 });
    index.add("g", vector(1, 0), "a");
    index.add("g", vector(0, 5), "b");
    index.add("other", vector(3, 4), "c");
    expect(index.nearest("g", vector(0.1, 9), always)?.key).toBe("b");
    expect(index.nearest("g", vector(2, 0), always)).toEqual({ key: "a", similarity: 1 });
    expect(index.nearest("none", vector(2, 0), always)).toBeUndefined();
    expect(index.nearest("g", vector(1, 0, 0), always)?.similarity).toBe(-1);
  });

  test("forgets what is stored no more, and the oldest beyond its bounds", () => {
    const index = createSemanticIndex({ entriesMax: 300 });
    for (let entry = 0; entry < 400; entry += 1) {
      index.add("g", vector(1, entry), `g${entry}`);
    }
    expect(index.count).toBe(256);
    expect(index.nearest("g", vector(1, 0), (key) => key !== "g144")?.key).toBe("g145");
    expect(index.count).toBe(255);
    for (let entry = 0; entry < 100; entry += 1) {
      index.add("h", vector(1, entry), `h${entry}`);
    }
    expect(index.count).toBe(300);
    expect(index.nearest("h", vector(1, 0), always)?.key).toBe("h0");
    expect(index.nearest("h", vector(1, 0), () => false)).toBeUndefined();
  });
});
