/** Hosted providers: their addresses and keys, how they are asked, how they are watched. */
export { openUpstream } from "./open-upstream.ts";
export { parseProviders, type SecretSource } from "./parse-providers.ts";
export { probeUpstream } from "./probe-provider.ts";
