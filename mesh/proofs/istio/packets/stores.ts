/** PostgreSQL, Redis and NATS in a pod outside the mesh, as their operators run them. */
import { join } from "node:path";
import { startTestServers } from "../../../../scripts/test-servers.ts";
import type { Pod, Service } from "./cluster.ts";
import { publish } from "./namespaces.ts";
import { type Rig, within } from "./rig.ts";

const repository = join(import.meta.dir, "../../../..");

/** Each store: the port of its Service, and the variable in which the test servers name theirs. */
const stores = {
  postgres: { port: 5432, variable: "WARMPATH_TEST_POSTGRES_URL" },
  redis: { port: 6379, variable: "WARMPATH_TEST_REDIS_URL" },
  nats: { port: 4222, variable: "WARMPATH_TEST_NATS_URL" },
} as const;

/** The pod that all three run in. */
export const storesPod: Pod = {
  name: "stores",
  namespace: "databases",
  ip: "10.77.0.5",
  serviceAccount: "default",
  labels: { "app.kubernetes.io/name": "stores" },
  envoy: "none",
};

/** A Service for each. NATS speaks first, so all three are declared as TCP. */
export const storeServices: readonly Service[] = Object.entries(stores).map(
  ([name, { port }], index) => ({
    name,
    namespace: storesPod.namespace,
    clusterIp: `10.96.1.${index + 1}`,
    selector: storesPod.labels,
    ports: [{ name: `tcp-${name}`, port, targetPort: port, appProtocol: "tcp" }],
  }),
);

/**
 * Sees to it that all three are on this machine: what is missing is fetched, which nobody can do
 * from inside a pod, whose network has no way out. Throws what is not to be had, and how to get it.
 */
export async function fetchStores(): Promise<void> {
  const servers = await startTestServers({ postgres: true, redis: true, nats: true });
  await servers.close();
  const { postgres, redis, nats } = servers;
  const missing = Object.entries({ postgres, redis, nats }).flatMap(([name, server]) =>
    server !== undefined && "skipped" in server
      ? [`${name}: ${server.skipped}; ${server.howTo}`]
      : [],
  );
  if (missing.length > 0) {
    throw new Error(`no stores to run with: ${missing.join("; ")}`);
  }
}

/**
 * Starts the repository's own test servers inside the pod and lets other pods reach them; the files
 * of a Secret that name them, by the chart's file names.
 */
export async function startStores(rig: Rig): Promise<Readonly<Record<string, string>>> {
  const found = new Map<string, URL>();
  const ready = Promise.withResolvers<void>();
  const running = rig.start(storesPod.name, storesPod.name, {
    command: [process.execPath, "scripts/test-servers.ts"],
    cwd: repository,
    onLine: (line) => {
      const [, variable, url] = /^export (\w+)=(\S+)/.exec(line) ?? [];
      if (variable !== undefined && url !== undefined) {
        found.set(variable, new URL(url));
      }
      if (found.size === Object.keys(stores).length) {
        ready.resolve();
      }
    },
  });
  await within(Promise.race([ready.promise, running.exited]), "the stores' start");
  const files: Record<string, string> = {};
  for (const [name, { port, variable }] of Object.entries(stores)) {
    const url = found.get(variable);
    if (url === undefined) {
      throw new Error(`${name} did not start: ${storesPod.name}.log in ${rig.dir} says why`);
    }
    publish(storesPod.name, port, Number(url.port));
    url.hostname = `${name}.${storesPod.namespace}.svc`;
    url.port = String(port);
    files[`${name}-url`] = url.href.replace(/\/$/, "");
  }
  return files;
}
