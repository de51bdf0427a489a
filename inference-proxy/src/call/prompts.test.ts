import { expect, test } from "bun:test";
import { loadConfig, systemClock } from "@warmpath/runtime/base";
import { inferenceProxyOptions } from "../config.ts";
import { createTokenRatios } from "../learn/index.ts";
import { tokenKeys, tokenRoot } from "../prompt/index.ts";
import { createCallPrompts } from "./prompts.ts";

test("keys of token prompts have the engines' blocks as soon as one says how large they are", () => {
  const engines: { blockTokens: number | undefined } = { blockTokens: undefined };
  const config = loadConfig(inferenceProxyOptions, { env: {} });
  const ratios = createTokenRatios({ modelsMax: 10 });
  const prompts = createCallPrompts(config, systemClock, ratios, engines);
  const tokens = Array.from({ length: 100 }, (_, index) => index);
  const bytes = new Uint8Array(Buffer.from(JSON.stringify({ prompt: tokens })));
  const identify = () =>
    prompts.identify(prompts.scan(bytes, "acme", "prompt"), {
      model: "m",
      salt: "acme",
      lora: "",
      headers: new Headers(),
      sessionId: "",
    });
  expect(identify().chunkTokens).toBe(config.blockTokens);
  engines.blockTokens = 32;
  const { chunkTokens, keys } = identify();
  expect(chunkTokens).toBe(32);
  expect([...Array.from(keys)]).toEqual([
    ...tokenKeys(tokenRoot({ salt: "acme", lora: "" }), tokens, 32),
  ]);
});
