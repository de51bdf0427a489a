import { describe, expect, test } from "bun:test";
import { scanBody } from "./scan-body.ts";
import { readSessionHints, sessionIdCharsMax } from "./stated-session.ts";

const hints = (
  headers: Readonly<Record<string, string>>,
  body: Readonly<Record<string, unknown>> | string = {},
) => {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return readSessionHints(new Headers(headers), scanBody(new TextEncoder().encode(text)));
};

describe("a session is stated", () => {
  test("by the headers that agents and routers send, in any case", () => {
    const names = [
      "X-Session-ID",
      "x-session-id",
      "X-Dynamo-Session-ID",
      "session-id",
      "session_id",
      "X-Session-Affinity",
      "x-opencode-session",
      "thread-id",
      "X-Claude-Code-Session-Id",
    ];
    for (const name of names) {
      expect(hints({ [name]: "s1" })).toEqual({
        stated: { id: "s1", source: "header", parentId: undefined },
        group: "",
      });
    }
  });

  test("by no header that names a request or a user", () => {
    const headers = {
      "x-request-id": "r",
      "x-correlation-id": "r",
      "x-vercel-id": "r",
      "x-user-id": "u",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    };
    expect(hints(headers).stated).toBeUndefined();
  });

  test("of a sub-agent, with the one that started it", () => {
    const claude = { "x-claude-code-session-id": "s" };
    const agent = { ...claude, "x-claude-code-agent-id": "a1" };
    expect(hints(agent).stated).toMatchObject({ id: "s/a1", parentId: "s" });
    expect(hints({ ...agent, "x-claude-code-parent-agent-id": "a0" }).stated).toMatchObject({
      id: "s/a1",
      parentId: "s/a0",
    });
    for (const parent of ["x-parent-session-id", "x-dynamo-parent-session-id"]) {
      expect(hints({ "x-session-id": "child", [parent]: "p" }).stated).toMatchObject({
        id: "child",
        parentId: "p",
      });
    }
  });

  test("by the body where no header does", () => {
    const uuid = "0b9f6d0e-8d5c-4c9e-9d0a-4a4bb1ad6a11";
    const bodies: readonly (readonly [Record<string, unknown>, string])[] = [
      [{ session_id: "s1" }, "s1"],
      [{ session_id: "\u00fc" }, "\u00fc"],
      [{ metadata: { session_id: "s2" } }, "s2"],
      [{ metadata: { user_id: `user_ab_account__session_${uuid}` } }, uuid],
      [{ metadata: { user_id: JSON.stringify({ session_id: uuid }) } }, uuid],
    ];
    for (const [body, id] of bodies) {
      expect(hints({}, body).stated).toEqual({ id, source: "body", parentId: undefined });
      expect(hints({ "x-session-id": "h" }, body).stated).toMatchObject({ id: "h" });
    }
  });

  test("by nothing that is no id, which the engine may refuse", () => {
    const long = "x".repeat(sessionIdCharsMax + 1);
    expect(hints({ "x-session-id": long, "session-id": "" }).stated).toBeUndefined();
    const bodies = [
      { session_id: 1 },
      { session_id: long },
      { session_id: { a: 1 } },
      { metadata: "s" },
      { metadata: [] },
      { metadata: { user_id: "alice" } },
      { metadata: { user_id: "{broken" } },
      { metadata: { session_id: "x", more: "y".repeat(20_000) } },
      '{"metadata":{"session_id":nonsense}}',
    ];
    for (const body of bodies) expect(hints({}, body).stated).toBeUndefined();
  });

  test("by no cache key and no user: those only narrow where it is looked for", () => {
    expect(hints({}, { user: "u" })).toEqual({ stated: undefined, group: "uu" });
    expect(hints({}, { user: "u", prompt_cache_key: "k" }).group).toBe("kk");
    expect(hints({}, { user: "k" }).group).not.toBe(hints({}, { prompt_cache_key: "k" }).group);
  });
});
