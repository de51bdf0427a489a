// The services as compose.yaml runs them, moved to free ports of this machine.

import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../../scripts/repository.ts";
import { portsOf, type ServiceName } from "../../../scripts/wiring/ports.ts";
import { makeSecrets } from "../../compose/make-secrets.ts";

/** One service of the file, ready to be started. */
export interface ComposeService {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The health check, on the moved port. */
  readonly probe: readonly string[];
}

/** Where the stores of a run are. */
export interface Stores {
  readonly postgresUrl: string;
  readonly redisUrl: string;
  readonly natsUrl: string;
}

/** Where the models of a run are, as the proxy's variables say it. */
export interface Models {
  readonly WARMPATH_UPSTREAM: string;
  readonly WARMPATH_PROVIDERS: string;
}

/** Where the files of compose.yaml's secrets appear. */
export const secretsPlace = "/run/secrets";

interface Entry {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly healthcheck: { readonly test: readonly string[] };
}

/** The service of that name with its arguments, variables and probe, on the block at `port`. */
export function composeService(
  name: ServiceName,
  port: number,
  stores: Stores,
  models: Models,
): ComposeService {
  const file = readFileSync(join(root, "mesh/compose/compose.yaml"), "utf8");
  // The file is ours; compose.test.ts checks its shape.
  const { services } = Bun.YAML.parse(file) as { services: Record<ServiceName, Entry> };
  const { services: ports } = portsOf(port);
  const moved: Readonly<Record<string, string>> = {
    "http://state:8731": `http://127.0.0.1:${ports.state.grpc}`,
    "http://inference-proxy:8711": `http://127.0.0.1:${ports["inference-proxy"].grpc}`,
    "redis://redis:6379": stores.redisUrl,
    "nats://nats:4222": stores.natsUrl,
  };
  const { command, environment, healthcheck } = services[name];
  const given: Readonly<Record<string, string>> = { ...models };
  const env = Object.entries(environment).map(([variable, value]) => {
    const filled = value.replace(/\$\{\w+:?-(.*)\}/, "$1");
    return [variable, given[variable] ?? moved[filled] ?? filled];
  });
  const probe = healthcheck.test.slice(1, -1);
  return {
    args: command,
    env: { ...Object.fromEntries(env), WARMPATH_PORT: String(port), WARMPATH_HOST: "127.0.0.1" },
    probe: [...probe, `http://127.0.0.1:${ports[name].http}/ready`],
  };
}

/**
 * Writes the secrets into a folder that a container's user can read, a provider's key among them;
 * the key of the API.
 */
export function writeSecrets(
  folder: string,
  { postgresUrl }: Stores,
  keys: Readonly<Record<string, string>>,
): string {
  mkdirSync(folder);
  makeSecrets(folder);
  chmodSync(folder, 0o755);
  const urlFile = join(folder, "postgres-url");
  chmodSync(urlFile, 0o644);
  writeFileSync(urlFile, postgresUrl);
  for (const [name, key] of Object.entries(keys)) {
    // Only a file that is already there: these are the file's own secrets, filled.
    writeFileSync(join(folder, name), key, { flag: "r+" });
  }
  return readFileSync(join(folder, "dev-key"), "utf8");
}
