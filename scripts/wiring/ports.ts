import { WarmpathError } from "@warmpath/runtime/base";

/** A service's two listeners: HTTP (Connect, gRPC-Web, JSON, pages) and native gRPC. */
export interface ServicePorts {
  readonly http: number;
  readonly grpc: number;
}

/** Names of the services, in the order they start. */
export const serviceNames = ["state", "inference-proxy", "orchestrator", "gateway"] as const;

/** One of the four services. */
export type ServiceName = (typeof serviceNames)[number];

/** The port that the block starts at unless moved. */
export const defaultPort = 8700;

/** Where a block may start: above the ports that need privileges, and so that its end is a port. */
export const portMin = 1024;
export const portMax = 65_400;

/** Ports from the start of the block to its last: four services and up to 59 simulated replicas. */
export const portBlockSize = 100;

/** Simulated replicas that fit the block. */
export const replicasMax = portBlockSize - 41;

/** The port of a flag or variable given as text; a fault is a sentence that names the giver. */
export function portFrom(text: string, giver: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < portMin || port > portMax) {
    throw new WarmpathError(
      "rejected-invalid",
      `${giver} is ${text}, but must be a whole number from ${portMin} to ${portMax}`,
    );
  }
  return port;
}

/** Where a listener on `host` is reached from this machine; a wildcard is no address to call. */
export function reachableHost(host: string): string {
  const isWildcard = host === "0.0.0.0" || host === "::" || host === "[::]";
  return isWildcard ? "127.0.0.1" : host;
}

/** Every port of the block that starts at `base`. Fixed, so that scripts can rely on it. */
export function portsOf(base: number): {
  readonly services: Readonly<Record<ServiceName, ServicePorts>>;
  replica(index: number): number;
} {
  return {
    services: {
      gateway: { http: base, grpc: base + 1 },
      "inference-proxy": { http: base + 10, grpc: base + 11 },
      orchestrator: { http: base + 20, grpc: base + 21 },
      state: { http: base + 30, grpc: base + 31 },
    },
    replica: (index) => base + 41 + index,
  };
}
