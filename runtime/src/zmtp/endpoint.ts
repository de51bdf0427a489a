import { WarmpathError } from "../base/index.ts";

/** Where a socket listens or connects, in the form that Bun takes. */
export type Address =
  | { readonly kind: "tcp"; readonly hostname: string; readonly port: number }
  | { readonly kind: "ipc"; readonly path: string };

const portMax = 65_535;

/**
 * Reads `tcp://host:port` and `ipc://path` as ZeroMQ writes them. `*` as host is every IPv4
 * interface, and `*` or 0 as port any free one; both are for binding only. Throws
 * `rejected-invalid`.
 */
export function parseEndpoint(endpoint: string): Address {
  const [scheme, rest = ""] = endpoint.split(/:\/\/(.*)/s);
  if (scheme === "ipc" && rest !== "" && !rest.startsWith("@")) return { kind: "ipc", path: rest };
  if (scheme === "tcp") {
    const colon = rest.lastIndexOf(":");
    const host = rest.slice(0, Math.max(0, colon)).replace(/^\[(.*)\]$/, "$1");
    const portText = rest.slice(colon + 1);
    const port = portText === "*" ? 0 : Number(portText);
    if (host !== "" && /^(\d+|\*)$/.test(portText) && port <= portMax) {
      return { kind: "tcp", hostname: host === "*" ? "0.0.0.0" : host, port };
    }
  }
  throw new WarmpathError(
    "rejected-invalid",
    `${JSON.stringify(endpoint)} is no endpoint: write tcp://host:port or ipc://path`,
  );
}

/** The endpoint that connects to a bound address. */
export function endpointOf(address: Address): string {
  if (address.kind === "ipc") return `ipc://${address.path}`;
  const host = address.hostname.includes(":") ? `[${address.hostname}]` : address.hostname;
  return `tcp://${host}:${address.port}`;
}
