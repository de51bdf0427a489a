import { WarmpathError } from "@warmpath/runtime/base";
import { type PodPlace, parseReplicaAddress, type ReplicaAddress } from "./replica.ts";

/** How an upstream says that its host is a name with several pods behind it. */
const scheme = "dns://";

/**
 * Reads the configured addresses; `dns://host:port` becomes as many places as pods may be there at
 * once, `host:port~0` and so on, all of them free. Throws `rejected-config`.
 */
export function parseUpstreams(
  urls: readonly string[],
  apiKey: string | undefined,
  places: number,
): readonly ReplicaAddress[] {
  return urls.flatMap((url) =>
    url.startsWith(scheme)
      ? placesOf(url.slice(scheme.length), apiKey, places)
      : [parseReplicaAddress(url, apiKey)],
  );
}

function placesOf(
  rest: string,
  apiKey: string | undefined,
  count: number,
): readonly ReplicaAddress[] {
  const named = parseReplicaAddress(`http://${rest}`, apiKey);
  const host = named.origin?.host ?? "";
  if (host === "" || /^[\d.]+$|:/.test(host)) {
    throw new WarmpathError("rejected-config", "the host of a dns:// upstream is no name");
  }
  const pod: PodPlace = { host: `${host}:${named.origin?.port ?? 80}`, ip: undefined };
  return Array.from({ length: count }, (_, index) => ({
    ...named,
    name: `${named.name}~${index}`,
    origin: undefined,
    pod,
  }));
}

/** The place with that pod in it, or free again. */
export function placeOfPod(
  address: ReplicaAddress,
  pod: PodPlace,
  ip: string | undefined,
): ReplicaAddress {
  const authority = pod.host;
  const port = portOf(pod);
  if (ip === undefined) {
    const baseUrl = `http://${authority}${address.pathPrefix}`;
    return { ...address, baseUrl, origin: undefined, pod: { ...pod, ip } };
  }
  const literal = ip.includes(":") ? `[${ip}]` : ip;
  return {
    ...address,
    baseUrl: `http://${literal}:${port}${address.pathPrefix}`,
    origin: { host: ip, port, authority },
    pod: { ...pod, ip },
  };
}

/** What other proxies call the pod of a place: theirs may have it in another place. */
export function sharedNameOf(address: ReplicaAddress): string {
  const { name, pod } = address;
  return pod === undefined ? name : (reachedAt(address) ?? name);
}

/**
 * Where requests to it go: two names that lead to one pod have this alike, though each says its own
 * host. Undefined where nothing is known of it: a free place, an upstream behind TLS.
 */
export function reachedAt({ origin, pathPrefix }: ReplicaAddress): string | undefined {
  return origin && `${origin.host}:${origin.port}${pathPrefix}`;
}

function portOf({ host }: PodPlace): number {
  return Number(host.slice(host.lastIndexOf(":") + 1));
}
