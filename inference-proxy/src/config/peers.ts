import { option } from "@warmpath/runtime/base";

/** What several proxies tell each other of their bookings. */
export const peerOptions = {
  peerBeatMs: option.int({
    env: "WARMPATH_PROXY_PEER_BEAT_MS",
    default: 100,
    min: 0,
    max: 10_000,
    unit: "ms",
    doc: "Time between two messages to the other proxies while there is news; 0: nothing is shared. Needs NATS.",
    why: "a prefill takes about as long; ten small messages a second cost nothing",
  }),
  peerSilentMs: option.int({
    env: "WARMPATH_PROXY_PEER_SILENT_MS",
    default: 3000,
    min: 100,
    unit: "ms",
    doc: "A proxy that was not heard for so long is forgotten, with all that it had booked.",
    why: "three beats of one that has no news; what a dead one had booked has ended",
  }),
  peersMax: option.int({
    env: "WARMPATH_PROXY_PEERS_MAX",
    default: 256,
    min: 1,
    doc: "Other proxies that are listened to at once.",
    why: "one a core of eight large machines; each costs what it has booked, some kilobytes",
  }),
  peerMessageBytesMax: option.int({
    env: "WARMPATH_PROXY_PEER_MESSAGE_BYTES_MAX",
    default: 262_144,
    min: 4096,
    max: 1_048_576,
    unit: "bytes",
    doc: "Size of one message to or of another proxy; what finds no room is told in the next one.",
    why: "256 KiB: the prompts of about 50 sessions of 100,000 tokens; NATS takes 1 MiB",
  }),
} as const;
