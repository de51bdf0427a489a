import { inferenceProxyOptions } from "@warmpath/inference-proxy/policy";
import { loadConfig } from "@warmpath/runtime/base";

/** The settings of a proxy where nobody has set any: for benches that run its policy alone. */
export const proxyDefaults = loadConfig(inferenceProxyOptions, { env: {} });
