import { expect, test } from "bun:test";
import { probe } from "./probe.ts";

test("a probe tells 2xx from everything else, and shows what was said", async () => {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) =>
      request.url.endsWith("/ready")
        ? new Response("yes")
        : new Response("no: database", { status: 503 }),
  });
  const seen: string[] = [];
  const print = (text: string) => void seen.push(text);
  expect(await probe(`${server.url}ready`, print)).toBe(true);
  expect(await probe(`${server.url}other`, print)).toBe(false);
  await server.stop(true);
  expect(await probe(`${server.url}ready`, print)).toBe(false);
  expect(await probe("", print)).toBe(false);
  expect(seen.slice(0, 2)).toEqual(["yes", "no: database"]);
});
