/** Our real services in their pods, with the arguments and variables that the chart gives them. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { HttpAnswer } from "./agent-protocol.ts";
import { type Template, templateOf } from "./cluster.ts";
import type { Running } from "./processes.ts";
import { folderOf, type Rig, until } from "./rig.ts";

const repository = join(import.meta.dir, "../../../..");
const secretsMount = "/run/secrets";
/** Five processes compile at once, perhaps on two cores that others use too. */
const readyMsMax = 150_000;

/** The files that a cluster's Secret would hold. */
export function writeSecrets(rig: Rig, secrets: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(secrets)) {
    writeFileSync(join(folderOf(rig, "secrets"), name), text);
  }
}

/** What the chart says of a service's pods. */
export function templateNamed(rig: Rig, deployment: string): Template {
  const found = rig.options.objects.find(
    ({ kind, metadata }) => kind === "Deployment" && metadata.name === deployment,
  );
  if (found === undefined) {
    throw new Error(`the chart has no Deployment ${deployment}`);
  }
  return templateOf(found);
}

/** Starts the container of a Deployment in a pod; `env` comes after the chart's. */
export function startService(
  rig: Rig,
  { pod, deployment, env }: { pod: string; deployment: string; env?: Record<string, string> },
): Running {
  const [container] = templateNamed(rig, deployment).containers;
  const given = (container?.env ?? []).map(({ name, value = "" }) => [
    name,
    value.replace(secretsMount, folderOf(rig, "secrets")),
  ]);
  return rig.start(pod, pod, {
    command: [process.execPath, "scripts/warmpath.ts", ...(container?.args ?? [])],
    cwd: repository,
    env: {
      // What the image sets.
      NODE_ENV: "production",
      BUN_CONFIG_MAX_HTTP_REQUESTS: "65535",
      WARMPATH_HOST: "0.0.0.0",
      WARMPATH_KNOWLEDGE: join(repository, "docs"),
      WARMPATH_LOG_FORMAT: "json",
      // Objects of entries, as they were.
      ...(Object.fromEntries(given) as Record<string, string>),
      ...env,
    },
  });
}

/** Starts a simulated replica in a pod. */
export function startReplica(rig: Rig, pod: string, args: readonly string[] = []): Running {
  const entry = join(repository, "benchmarks/replica/main.ts");
  const flags = ["--host", "0.0.0.0", "--port", "8000", "--detached", "--allow-faults"];
  return rig.start(pod, pod, { command: [process.execPath, entry, ...flags, ...args] });
}

/** Waits until the pod's own probe would find it ready. */
export async function untilReady(rig: Rig, pod: string, port: number, path: string): Promise<void> {
  const url = `http://127.0.0.1:${port}${path}`;
  const isReady = async () =>
    (await rig.ask<HttpAnswer>(pod, { op: "http", url, timeoutMs: 2000 })).status === 200;
  await until(isReady, `${pod} at ${path}`, readyMsMax);
}
