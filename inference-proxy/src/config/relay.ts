import { option } from "@warmpath/runtime/base";

/** Settings of how answers go out, and where beyond the ports that every service has. */
export const relayOptions = {
  coalesceMs: option.int({
    env: "WARMPATH_PROXY_COALESCE_MS",
    default: 0,
    min: 0,
    max: 1000,
    unit: "ms",
    doc: "How long a token of a stream may wait to leave together with those behind it. The first token and the end never wait. 0: none waits.",
    why: "a reader notices 20 ms less than the machine notices half the writes, but that is the operator's to choose",
  }),
  heldUpMsMax: option.int({
    env: "WARMPATH_PROXY_HELD_UP_MS_MAX",
    default: 600_000,
    min: 1,
    unit: "ms",
    doc: "Longest time for which a caller that takes nothing more may hold up its answer, and the engine with it.",
    why: "what waits for a caller is 256 KiB and more: who takes longer for it than ten minutes is no reader; a dead one is mostly found by its connection before",
  }),
  receivedBytesMax: option.int({
    env: "WARMPATH_PROXY_RECEIVED_BYTES_MAX",
    default: 268_435_456,
    min: 1024,
    unit: "bytes",
    doc: "Bytes of request bodies that are on their way, over all connections together, one tenant's at most half of them; what comes beyond that is told to try again.",
    why: "256 MiB: sixteen of the largest bodies, or two thousand prompts of agents arriving in the same moment",
  }),
  sharedPort: option.int({
    env: "WARMPATH_PROXY_SHARED_PORT",
    default: 0,
    min: 0,
    max: 65_535,
    doc: "A further HTTP port that several proxy processes on one machine listen on together; the kernel shares connections out among them. 0: none.",
    why: "one process uses one core; each keeps ports of its own, by which it is probed and scraped",
  }),
} as const;
