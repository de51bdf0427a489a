/** Hosts that may be fetched: exact names, or `*.example.com` for every name below one. */
export interface AllowList {
  readonly isEmpty: boolean;
  allows(hostname: string): boolean;
}

/**
 * Compiles an allow-list; names are compared in the form that `URL` gives them (lower case,
 * punycode).
 */
export function createAllowList(patterns: readonly string[]): AllowList {
  const exact = new Set<string>();
  const suffixes: string[] = [];
  for (const pattern of patterns) {
    const host = pattern.trim().toLowerCase().replace(/\.$/, "");
    if (host.startsWith("*.")) suffixes.push(host.slice(1));
    else if (host !== "") exact.add(host);
  }
  return {
    isEmpty: exact.size === 0 && suffixes.length === 0,
    allows(hostname) {
      const host = hostname.toLowerCase().replace(/\.$/, "");
      return exact.has(host) || suffixes.some((suffix) => host.endsWith(suffix));
    },
  };
}
