import type { Settings } from "./load-settings.ts";

/**
 * The secret by which proxies know prompts. Those of one installation have to have the same one, so
 * that they understand each other; unless it is set, it is made from the signing key that they have
 * in common anyway. Undefined without either: each process makes its own.
 */
export function promptSecretOf({ system, inferenceProxy }: Settings): string | undefined {
  const [signingKey] = system.principalKeys;
  const { promptSecret } = inferenceProxy;
  return promptSecret !== undefined || signingKey === undefined
    ? promptSecret
    : new Bun.CryptoHasher("sha256").update(`prompt keys\n${signingKey}`).digest("hex");
}
