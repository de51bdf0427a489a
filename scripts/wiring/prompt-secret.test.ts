import { expect, test } from "bun:test";
import type { Settings } from "./load-settings.ts";
import { promptSecretOf } from "./prompt-secret.ts";

const settings = (principalKeys: readonly string[], promptSecret?: string) =>
  ({ system: { principalKeys }, inferenceProxy: { promptSecret } }) as unknown as Settings;

test("proxies with one signing key have one prompt secret, which does not tell the key", () => {
  const one = promptSecretOf(settings(["wpp_signing-key-1", "wpp_older"]));
  expect(one).toBe(promptSecretOf(settings(["wpp_signing-key-1"])));
  expect(one).not.toBe(promptSecretOf(settings(["wpp_signing-key-2"])));
  expect(one).not.toContain("signing");
});

test("a secret that is set goes before that, and without any key there is none", () => {
  expect(promptSecretOf(settings(["wpp_signing-key-1"], "set"))).toBe("set");
  expect(promptSecretOf(settings([]))).toBeUndefined();
});
