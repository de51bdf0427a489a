import type { ReplicaConfig } from "../config.ts";

/** Settings of the recorded servers; see the README of `testdata/`. */
const common = {
  model: "tiny",
  profile: "tiny",
  speed: 0,
  blockSize: 32,
  maxModelLen: 4096,
} satisfies Partial<ReplicaConfig>;

const serverA = {
  ...common,
  kvBlocks: 512,
  maxNumSeqs: 16,
  maxNumBatchedTokens: 1024,
  kvEventsEndpoint: "tcp://127.0.0.1:*",
  kvEventsReplayEndpoint: "tcp://127.0.0.1:*",
  kvEventsTopic: "kv@tiny",
} satisfies Partial<ReplicaConfig>;

const serverB = {
  ...common,
  kvBlocks: 64,
  maxModelLen: 1536,
  maxNumSeqs: 8,
  maxNumBatchedTokens: 512,
  schedulingPolicy: "priority",
  maxNumQueuedReqs: 12,
  scaleOut: true,
  devMode: true,
  requestIdHeaders: false,
} satisfies Partial<ReplicaConfig>;

/** The servers by name. */
export const servers = {
  A: serverA,
  B: serverB,
  C: {
    ...common,
    apiKey: "k1",
    maxNumQueuedTokens: 3000,
    streamInterval: 4,
    forceIncludeUsage: true,
    requestIdHeaders: false,
    kvEventsEndpoint: "tcp://127.0.0.1:*",
    kvEventsReplayEndpoint: "tcp://127.0.0.1:*",
  },
  F: { ...common, serverLoadTracking: false, requestIdHeaders: false },
  /** B again, for what pauses it and puts it to sleep. */
  dev: serverB,
  /** B with room for one, which is taken: a step of it takes longer than any test. */
  full: { ...serverB, maxNumQueuedReqs: 1, speed: 0.0001 },
} as const satisfies Readonly<Record<string, Partial<ReplicaConfig>>>;

export type ServerName = keyof typeof servers;

/** The server that a recording was made with. */
export function serverOf(name: string): ServerName {
  if (name.startsWith("err-503")) return "full";
  if (name.startsWith("dev-")) return "dev";
  if (name.startsWith("scaleout-")) return "B";
  if (/^(?:dp2|err-401|stream-interval|ok-single-prompt)/.test(name)) return "C";
  return name.startsWith("load-without") ? "F" : "A";
}
