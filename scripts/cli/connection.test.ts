import { describe, expect, test } from "bun:test";
import { blockUrl, grpcUrl } from "./connection.ts";

describe("a command finds the system", () => {
  const cases = [
    { why: "at its default block", given: {}, env: {}, url: "http://127.0.0.1:8701" },
    { why: "moved by a flag", given: { port: "9700" }, env: {}, url: "http://127.0.0.1:9701" },
    {
      why: "moved by the variable that moved it",
      given: {},
      env: { WARMPATH_PORT: "9700" },
      url: "http://127.0.0.1:9701",
    },
    {
      why: "on the address it listens on",
      given: {},
      env: { WARMPATH_HOST: "10.1.2.3" },
      url: "http://10.1.2.3:8701",
    },
    {
      why: "on this host, where it listens on every address",
      given: {},
      env: { WARMPATH_HOST: "0.0.0.0" },
      url: "http://127.0.0.1:8701",
    },
    {
      why: "by its address, before any port",
      given: { url: "https://warmpath.example" },
      env: { WARMPATH_URL: "http://elsewhere:1", WARMPATH_PORT: "9700" },
      url: "https://warmpath.example",
    },
    {
      why: "by the flag's port, before the variable's address",
      given: { port: "9700" },
      env: { WARMPATH_URL: "http://elsewhere:1" },
      url: "http://127.0.0.1:9701",
    },
    {
      why: "by the variable's address, before its port",
      given: {},
      env: { WARMPATH_URL: "http://elsewhere:1", WARMPATH_PORT: "9700" },
      url: "http://elsewhere:1",
    },
  ];
  for (const { why, given, env, url } of cases) {
    test(why, () => {
      expect(grpcUrl(given, "gateway", "WARMPATH_URL", env)).toBe(url);
    });
  }

  test("and says what is wrong with a port or an address", () => {
    const toCall = (given: { port?: string; url?: string }) => () =>
      grpcUrl(given, "gateway", "WARMPATH_URL", {});
    expect(toCall({ port: "abc" })).toThrow("--port is abc, but must be a whole number");
    expect(toCall({ port: "80" })).toThrow("from 1024 to 65400");
    expect(toCall({ url: "127.0.0.1:8701" })).toThrow("must be a URL such as");
    expect(() => blockUrl({}, "state", "http", { WARMPATH_PORT: "x" })).toThrow(
      "WARMPATH_PORT is x",
    );
  });
});
