import { expect, test } from "bun:test";
import { loadSettings } from "./load-settings.ts";
import { assertServable } from "./serve.ts";

const shared = { WARMPATH_NATS: "nats://127.0.0.1:4222", WARMPATH_PRINCIPAL_KEYS: "k".repeat(32) };

function settingsOf(env: Record<string, string>) {
  return loadSettings({ env: { ...shared, ...env }, flags: {} });
}

test("a proxy needs an engine or a hosted provider, and is told of both ways", () => {
  expect(() => assertServable("inference-proxy", settingsOf({}))).toThrow(
    /serve inference-proxy needs:\n {2}- .*WARMPATH_UPSTREAM.*WARMPATH_PROVIDERS/,
  );
  for (const models of [
    { WARMPATH_UPSTREAM: "http://engine:8000" },
    { WARMPATH_PROVIDERS: "openai" },
  ]) {
    expect(() => assertServable("inference-proxy", settingsOf(models))).not.toThrow();
  }
});

test("all that a service misses is told at once", () => {
  expect(() => assertServable("state", loadSettings({ env: {}, flags: {} }))).toThrow(
    /WARMPATH_NATS.*WARMPATH_POSTGRES.*WARMPATH_REDIS.*WARMPATH_PRINCIPAL_KEYS/s,
  );
});
