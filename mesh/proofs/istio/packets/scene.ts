/** The cast of a run: which pods there are, and how all of them are brought to readiness. */

import type { KubeObject } from "../../kube-object.ts";
import type { Pod, Service } from "./cluster.ts";
import { servicesOf, sliceOf, templateOf } from "./cluster.ts";
import type { Running } from "./processes.ts";
import { type Rig, startRig } from "./rig.ts";
import { startReplica, startService, untilReady, writeSecrets } from "./run-services.ts";
import { startStores, storeServices, storesPod } from "./stores.ts";

const namespace = "warmpath";
const trustDomain = "cluster.local";

/** The development key of a run, and the key that signs principals: both of this run alone. */
export const devKey = `wp_${"packets".repeat(6)}x`;
const principalKey = "packets-principal-key-of-32-characters";

/** Names of our services, with the ports of their probes. */
export const services = {
  state: { pod: "state", http: 8730 },
  proxy: { pod: "inference-proxy", http: 8710 },
  orchestrator: { pod: "orchestrator", http: 8720 },
  gateway: { pod: "gateway", http: 8700 },
} as const;

/** Who else there is. */
export const others = {
  /** A client outside: no sidecar, TLS of its own. */
  client: "client",
  /** Where clients come in: an Envoy of the Gateway API. */
  ingress: "ingress",
  /** A workload of another namespace, in the mesh and with a certificate. */
  stranger: "stranger",
  /** A second pod of state, in which something else answers. */
  secondState: "state-1",
  canary: "state-canary",
} as const;

/** The simulated engines. */
export const replicas = ["replica-0", "replica-1"] as const;

/** Pods of a Deployment, by its name less the release's. */
function podOf(objects: readonly KubeObject[], name: string, deployed: string, last: number): Pod {
  const deployment = objects.find(
    ({ kind, metadata }) => kind === "Deployment" && metadata.name === `warmpath-${deployed}`,
  );
  if (deployment === undefined) {
    throw new Error(`the chart has no Deployment warmpath-${deployed}`);
  }
  const { labels, serviceAccount } = templateOf(deployment);
  return { name, namespace, ip: `10.77.0.${last}`, serviceAccount, labels, envoy: "sidecar" };
}

function otherPod(name: string, last: number, more: Partial<Pod>): Pod {
  return {
    name,
    namespace: "elsewhere",
    ip: `10.77.0.${last}`,
    serviceAccount: "default",
    labels: { "app.kubernetes.io/name": name },
    envoy: "none",
    ...more,
  };
}

/** The label by which a Gateway's pods and Service are found. */
const gatewayLabels = { "gateway.networking.k8s.io/gateway-name": "warmpath-ingress" };
const ingressIp = "10.77.0.21";

function podsOf(objects: readonly KubeObject[]): readonly Pod[] {
  return [
    storesPod,
    podOf(objects, services.state.pod, "state", 11),
    podOf(objects, others.secondState, "state", 12),
    podOf(objects, others.canary, "state-canary", 13),
    podOf(objects, services.proxy.pod, "inference-proxy", 14),
    podOf(objects, services.orchestrator.pod, "orchestrator", 15),
    podOf(objects, services.gateway.pod, "gateway", 16),
    otherPod(others.ingress, 21, {
      namespace,
      ip: ingressIp,
      // As istiod's deployment controller names it.
      serviceAccount: "warmpath-ingress-istio",
      labels: gatewayLabels,
      envoy: "router",
    }),
    otherPod(others.stranger, 22, { envoy: "sidecar" }),
    otherPod(others.client, 23, {}),
    ...replicas.map((name, index) => otherPod(name, 31 + index, { namespace: "engines" })),
  ];
}

/** The Service that istiod's deployment controller makes for a Gateway. */
const ingressService: Service = {
  name: "warmpath-ingress-istio",
  namespace,
  clusterIp: "10.96.0.9",
  selector: gatewayLabels,
  ports: [{ name: "https", port: 443, targetPort: 443, appProtocol: "https" }],
};

/** Each engine under a name of its own, as a pod of a headless Service has one. */
const replicaServices: readonly Service[] = replicas.map((name) => ({
  name,
  namespace: "engines",
  clusterIp: "None",
  selector: { "app.kubernetes.io/name": name },
  ports: [{ name: "http", port: 8000, targetPort: 8000, appProtocol: "http" }],
}));

/** Identities that are nobody's here: the gateway's name in another namespace and another mesh. */
export const impostors = {
  "other-namespace": `spiffe://${trustDomain}/ns/elsewhere/sa/warmpath-gateway`,
  "other-mesh": `spiffe://other.example/ns/${namespace}/sa/warmpath-gateway`,
} as const;

interface GatewayListener {
  readonly name: string;
  readonly hostname: string;
  readonly tls: { readonly certificateRefs: readonly { readonly name: string }[] };
}

/** What the Gateway is called from outside, HTTP's name first, and where its certificate is. */
function outsideOf(objects: readonly KubeObject[]) {
  const gateway = objects.find(({ kind }) => kind === "Gateway");
  // A Gateway's listeners, as the Gateway API defines them.
  const listeners = (gateway?.spec?.["listeners"] ?? []) as readonly GatewayListener[];
  const ordered = listeners.toSorted((one) => (one.name === "https" ? -1 : 1));
  const name = ordered[0]?.tls.certificateRefs[0]?.name ?? "";
  return { namespace, name, hosts: ordered.map(({ hostname }) => hostname) };
}

/** Where clients find the release. */
export function outsideUrl(rig: Rig): string {
  return `https://${rig.options.tls.hosts[0]}`;
}

/** Where clients of native gRPC find it. */
export function outsideGrpcUrl(rig: Rig): string {
  return `https://${rig.options.tls.hosts[1]}`;
}

/** What a run is given. */
export interface SceneOptions {
  readonly controlPlane: string;
  readonly envoy: string;
  readonly objects: readonly KubeObject[];
  readonly meshConfig: Readonly<Record<string, unknown>>;
}

/** Brings up the mesh with nothing behind the Envoys yet. */
export function startScene(options: SceneOptions): Promise<Rig> {
  const { objects } = options;
  const chartServices = servicesOf(objects, namespace);
  const tls = outsideOf(objects);
  return startRig({
    ...options,
    trustDomain,
    tls,
    identities: impostors,
    hosts: `${ingressIp} ${tls.hosts.join(" ")}\n`,
    pods: podsOf(objects),
    services: [...chartServices, ingressService, ...storeServices, ...replicaServices],
    principalKey,
  });
}

/** What runs behind the Envoys, by pod. */
export type Cast = Map<string, Running>;

/** Starts stores, engines and our four services, and waits until all are ready. */
export async function startCast(rig: Rig): Promise<Cast> {
  const cast: Cast = new Map();
  // Real services only from here on.
  await setSecondReady(rig, false);
  const stores = await startStores(rig);
  writeSecrets(rig, {
    ...stores,
    "principal-keys": principalKey,
    "dev-key": devKey,
    "upstream-api-key": "",
  });
  for (const pod of replicas) {
    cast.set(pod, startReplica(rig, pod));
  }
  const ours = [...Object.values(services), { pod: others.canary, http: services.state.http }];
  for (const { pod } of ours) {
    cast.set(pod, startService(rig, { pod, deployment: `warmpath-${pod}` }));
  }
  const all = ours.map(({ pod, http }) => untilReady(rig, pod, http, "/ready"));
  await Promise.all(all);
  return cast;
}

/** Ends our services again, and lets a stub have the second pod of state. */
export async function endCast({ rig, cast }: { rig: Rig; cast: Cast }): Promise<void> {
  await Promise.all([...cast.values()].map((each) => each.stop()));
  await setSecondReady(rig, true);
}

async function setSecondReady(rig: Rig, isReady: boolean): Promise<void> {
  const second = rig.options.pods.find(({ name }) => name === others.secondState);
  await rig.setReady(namespace, sliceOf("warmpath-state"), { [second?.ip ?? ""]: isReady });
}
