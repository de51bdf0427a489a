import { portsOf } from "../../../scripts/wiring/ports.ts";
import type { BuiltImage } from "./builder.ts";
import type { Check } from "./check-image.ts";
import { composeService, type Models, type Stores, secretsPlace } from "./compose-services.ts";
import { runToEnd } from "./container.ts";

/** What stands in for a hosted provider: a replica of its own that wants this key. */
export const hosted = { key: "sk-stand-in-9f2c", keyFile: "openai-api-key", model: "far-model" };

/** Our name for its model, and the provider's for itself. */
const ours = { model: "hosted-model", provider: "stand-in" };

/** The provider as WARMPATH_PROVIDERS says it, its key in one of compose.yaml's files. */
export function providerSetting(url: string): string {
  const keyFile = `${secretsPlace}/${hosted.keyFile}`;
  return `openai=${url} name=${ours.provider} key-file=${keyFile} models=${ours.model}=${hosted.model}`;
}

/** A proxy that runs, and a key that it takes. */
export interface HostedCheck {
  readonly port: number;
  readonly key: string;
  readonly check: Check;
}

/** Asks the proxy for the provider's model: the provider answers, by the key of its file. */
export async function askHosted({ port, key, check }: HostedCheck): Promise<void> {
  const { http } = portsOf(port).services["inference-proxy"];
  const response = await fetch(`http://127.0.0.1:${http}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({
      model: ours.model,
      max_tokens: 8,
      messages: [{ role: "user", content: "Who are you?" }],
    }),
  });
  const text = await response.text();
  const from = response.headers.get("x-warmpath-replica");
  check(
    "a hosted provider answers by the key of its file",
    response.ok && from === ours.provider,
    `${response.status} from ${from}: ${text}`,
  );
  check("an answer does not tell the provider's key", !text.includes(hosted.key), text);
}

/** What a proxy is refused with. */
export interface RefusalCheck {
  readonly image: BuiltImage;
  readonly port: number;
  readonly stores: Stores;
  readonly models: Models;
  readonly secrets: string;
  readonly check: Check;
}

/** Starts a proxy whose provider's key file is still empty: it ends and says which file it is. */
export async function refuseEmptyKey(run: RefusalCheck): Promise<void> {
  const file = `${secretsPlace}/gemini-api-key`;
  const models = { ...run.models, WARMPATH_PROVIDERS: `gemini key-file=${file}` };
  const { args, env } = composeService("inference-proxy", run.port, run.stores, models);
  const mounts = { [secretsPlace]: run.secrets };
  const { exitCode, said } = await runToEnd(run.image, { args, env, mounts });
  const isTold = said.includes(`${file} cannot be read or is empty`);
  run.check("a provider whose key file is empty is told by name", exitCode !== 0 && isTold, said);
}
