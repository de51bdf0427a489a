import { option } from "@warmpath/runtime/base";

/** Settings of the proxy's listeners beyond the block of ports that every service has. */
export const listenOptions = {
  sharedPort: option.int({
    env: "WARMPATH_PROXY_SHARED_PORT",
    default: 0,
    min: 0,
    max: 65_535,
    doc: "A further HTTP port that several proxy processes on one machine listen on together; the kernel shares connections out among them. 0: none.",
    why: "one process uses one core; each keeps ports of its own, by which it is probed and scraped",
  }),
} as const;
