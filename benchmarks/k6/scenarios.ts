/** The scenarios and how each is set up; the k6 side of each is the file of its name. */
export interface ScenarioSetup {
  readonly name: string;
  readonly about: string;
  /** Workloads that its sessions are drawn from; none where an agent is talked with. */
  readonly workloads: readonly SessionSource[];
  readonly sessionsPerSecond: number;
  readonly durationSeconds: number;
  readonly replicas: number;
  /** Widest batch of a replica; the proxy keeps no more there, so that the rest waits in lanes. */
  readonly batchMax?: number;
  /** A second tenant, with a key of its own. */
  readonly hasNoisyTenant?: boolean;
  /** A replica is killed after a third of the run and started again after two thirds. */
  readonly killsReplica?: boolean;
  /** The system's memory is watched. */
  readonly watchesMemory?: boolean;
}

/** Sessions of one workload, as many as a run may need; k6 goes round when they are used up. */
export interface SessionSource {
  readonly workload: string;
  readonly count: number;
  /** Only sessions of the first so many tenants, so that a short run meets each more than once. */
  readonly tenantsMax?: number;
  /** Longest answer kept, so that a run ends in its time. */
  readonly outputTokensMax: number;
}

const chat: SessionSource = { workload: "chat", count: 200, outputTokensMax: 120 };

/** In the order of `--help`. */
export const scenarios: readonly ScenarioSetup[] = [
  {
    name: "agent-conversation",
    about: "sessions of three turns with an agent, two tools and pauses (gateway, gRPC)",
    workloads: [],
    sessionsPerSecond: 2,
    durationSeconds: 30,
    replicas: 3,
  },
  {
    name: "chat",
    about: "chats of several turns, no agent (proxy)",
    workloads: [chat],
    sessionsPerSecond: 2,
    durationSeconds: 30,
    replicas: 3,
  },
  {
    name: "rag",
    about: "questions over documents that many share (proxy)",
    workloads: [{ workload: "rag-lite", count: 200, tenantsMax: 12, outputTokensMax: 120 }],
    sessionsPerSecond: 2,
    durationSeconds: 30,
    replicas: 3,
  },
  {
    name: "batch-lane",
    about: "a batch that wants all there is, and chats that must not notice (proxy)",
    workloads: [chat, { workload: "batch-lite", count: 200, outputTokensMax: 400 }],
    sessionsPerSecond: 1,
    durationSeconds: 30,
    replicas: 2,
    batchMax: 8,
  },
  {
    name: "noisy-neighbour",
    about: "one tenant asks without a pause, the other must not notice (proxy)",
    workloads: [chat],
    sessionsPerSecond: 0.5,
    durationSeconds: 30,
    replicas: 2,
    batchMax: 8,
    hasNoisyTenant: true,
  },
  {
    name: "replica-failure",
    about: "a replica is killed under load and comes back (gateway and proxy)",
    workloads: [chat],
    sessionsPerSecond: 1,
    durationSeconds: 60,
    replicas: 3,
    killsReplica: true,
  },
  {
    name: "soak",
    about: "conversations for a long time, memory watched (gateway, gRPC)",
    workloads: [],
    sessionsPerSecond: 1,
    durationSeconds: 900,
    replicas: 3,
    watchesMemory: true,
  },
];
