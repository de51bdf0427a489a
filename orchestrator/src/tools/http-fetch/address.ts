import ipaddr from "ipaddr.js";

/**
 * Ranges that ipaddr.js files under a public-looking name although they reach somewhere they should
 * not.
 */
const refusedV4: readonly [string, number][] = [
  ["100.100.100.200", 32], // Alibaba Cloud's metadata service
  ["168.63.129.16", 32], // Azure's host service
  ["192.88.99.0", 24], // 6to4 relay anycast
  ["198.18.0.0", 15], // benchmarking networks
];

/**
 * Why an address must not be connected to, or undefined for a public unicast one. Everything that
 * is not known to be public is refused: private, loopback, link-local (cloud metadata),
 * carrier-grade NAT, multicast, reserved, and IPv6 forms that carry such an IPv4 address.
 */
export function refusalOfAddress(text: string): string | undefined {
  if (!ipaddr.isValid(text)) return "not an IP address";
  // `process` unwraps IPv4-mapped IPv6 (::ffff:127.0.0.1).
  const address = ipaddr.process(text);
  return address.kind() === "ipv4"
    ? refusalOfV4(ipaddr.IPv4.parse(address.toString()))
    : refusalOfV6(ipaddr.IPv6.parse(address.toString()));
}

function refusalOfV4(address: ipaddr.IPv4): string | undefined {
  const range = address.range();
  if (range !== "unicast") return `a ${range} address`;
  const listed = refusedV4.some(([base, bits]) => address.match(ipaddr.IPv4.parse(base), bits));
  return listed ? "a reserved address" : undefined;
}

/**
 * ipaddr.js names the forms that carry an IPv4 address (NAT64, 6to4, Teredo, mapped) apart from
 * unicast.
 */
function refusalOfV6(address: ipaddr.IPv6): string | undefined {
  const range = address.range();
  if (range !== "unicast") return `a ${range} address`;
  // Global unicast is 2000::/3; the rest of what is unassigned today counts as private.
  return address.match(ipaddr.IPv6.parse("2000::"), 3) ? undefined : "not a global address";
}
