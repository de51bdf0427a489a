/** What a cluster would add to the chart: pods with addresses, addresses of Services, endpoints. */
import type { KubeObject } from "../../kube-object.ts";

/** One pod of the rig. */
export interface Pod {
  readonly name: string;
  readonly namespace: string;
  readonly ip: string;
  readonly serviceAccount: string;
  readonly labels: Readonly<Record<string, string>>;
  /** As createPod takes it. */
  readonly envoy: "sidecar" | "router" | "none";
}

interface ServicePort {
  readonly name: string;
  readonly port: number;
  readonly targetPort?: number | string;
  readonly appProtocol?: string;
}

/** A Service with the address that it is reached at. */
export interface Service {
  readonly name: string;
  readonly namespace: string;
  /** "None" for a headless one. */
  readonly clusterIp: string;
  readonly selector: Readonly<Record<string, string>>;
  readonly ports: readonly ServicePort[];
}

/** The chart's Services, each with an address, and their named ports resolved by its pods' own. */
export function servicesOf(objects: readonly KubeObject[], namespace: string): readonly Service[] {
  const portsByName = namedPorts(objects);
  return objects
    .filter(({ kind }) => kind === "Service")
    .map(({ metadata, spec = {} }, index) => {
      // A Service's spec, as the Kubernetes API defines it.
      const { clusterIP, selector, ports } = spec as unknown as {
        clusterIP?: string;
        selector: Record<string, string>;
        ports: ServicePort[];
      };
      return {
        name: metadata.name,
        namespace: metadata.namespace ?? namespace,
        clusterIp: clusterIP ?? `10.96.0.${index + 10}`,
        selector,
        ports: ports.map((each) => ({
          ...each,
          targetPort: portsByName.get(`${keyOf(selector)}/${each.targetPort}`) ?? each.port,
        })),
      };
    });
}

/** Container ports by their pod's name label and their own name. */
function namedPorts(objects: readonly KubeObject[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const deployment of objects.filter(({ kind }) => kind === "Deployment")) {
    const { labels, containers } = templateOf(deployment);
    for (const { name, containerPort } of containers.flatMap(({ ports = [] }) => ports)) {
      found.set(`${keyOf(labels)}/${name}`, containerPort);
    }
  }
  return found;
}

function keyOf(labels: Readonly<Record<string, string>>): string {
  return labels["app.kubernetes.io/name"] ?? "";
}

/** A container of a Deployment. */
export interface Container {
  readonly name: string;
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
}

/** What a Deployment's pods are. */
export interface Template {
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly containers: readonly Container[];
}

/** The pods that a Deployment makes. */
export function templateOf({ spec = {} }: KubeObject): Template {
  // A Deployment's spec, as the Kubernetes API defines it.
  const { template } = spec as unknown as {
    template: {
      metadata: { labels: Record<string, string> };
      spec: { serviceAccountName: string; containers: Container[] };
    };
  };
  const { serviceAccountName: serviceAccount, containers } = template.spec;
  return { labels: template.metadata.labels, serviceAccount, containers };
}

function isSelected({ selector, namespace }: Service, pod: Pod): boolean {
  const wanted = Object.entries(selector);
  return pod.namespace === namespace && wanted.every(([name, value]) => pod.labels[name] === value);
}

/** Name of a Service's one EndpointSlice. */
export function sliceOf(service: string): string {
  return `${service}-0`;
}

/** The objects of Services, pods and endpoints, for the control plane to watch. */
export function clusterObjects(pods: readonly Pod[], services: readonly Service[]): unknown[] {
  const namespaces = [...new Set([...pods, ...services].map(({ namespace }) => namespace))];
  return [
    ...namespaces.map((name) => ({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, labels: { "kubernetes.io/metadata.name": name } },
    })),
    ...services.map(({ name, namespace, clusterIp, selector, ports }) => ({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace },
      spec: { clusterIP: clusterIp, selector, ports },
    })),
    ...pods.map((pod) => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: pod.name, namespace: pod.namespace, labels: labelsOf(pod) },
      spec: { serviceAccountName: pod.serviceAccount, containers: [] },
      status: {
        podIP: pod.ip,
        podIPs: [{ ip: pod.ip }],
        phase: "Running",
        conditions: [{ type: "Ready", status: "True" }],
      },
    })),
    ...services.map((service) => ({
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: {
        name: sliceOf(service.name),
        namespace: service.namespace,
        labels: {
          "kubernetes.io/service-name": service.name,
          ...(service.clusterIp === "None" ? { "service.kubernetes.io/headless": "" } : {}),
        },
      },
      addressType: "IPv4",
      endpoints: pods
        .filter((pod) => isSelected(service, pod))
        .map(({ ip, name, namespace }) => ({
          addresses: [ip],
          conditions: { ready: true },
          targetRef: { kind: "Pod", name, namespace },
        })),
      ports: service.ports.map(({ name, port, targetPort }) => ({
        name,
        port: targetPort ?? port,
        protocol: "TCP",
      })),
    })),
  ];
}

/** A pod's labels; those with an Envoy carry the one that says so. */
export function labelsOf(pod: Pod): Readonly<Record<string, string>> {
  return pod.envoy !== "none"
    ? { ...pod.labels, "security.istio.io/tlsMode": "istio" }
    : pod.labels;
}

/** The names of Services that a pod can resolve, as lines of /etc/hosts. */
export function hostsOf(services: readonly Service[], pods: readonly Pod[]): string {
  const lines = services.map((service) => {
    const { name, namespace, clusterIp } = service;
    const addresses =
      clusterIp === "None"
        ? pods.filter((pod) => isSelected(service, pod)).map(({ ip }) => ip)
        : [clusterIp];
    const names = `${name} ${name}.${namespace} ${name}.${namespace}.svc ${name}.${namespace}.svc.cluster.local`;
    return addresses.map((each) => `${each} ${names}`).join("\n");
  });
  return `${lines.join("\n")}\n`;
}
