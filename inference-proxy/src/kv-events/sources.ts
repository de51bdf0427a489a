import { WarmpathError } from "@warmpath/runtime/base";

/** Where one engine rank publishes its events. */
export interface KvSource {
  /** Data-parallel rank. */
  readonly rank: number;
  readonly endpoint: string;
  /**
   * `connect`: the engine has bound it. `either`: an address without a wildcard, to which vLLM
   * connects unless it chose the port itself, so we bind it, or connect where it is taken.
   */
  readonly mode: "connect" | "either";
  /** Where missed batches can be asked for again; undefined: nowhere. */
  readonly replayEndpoint: string | undefined;
  /** First frame of its messages; empty: whatever comes. */
  readonly topic: string;
}

/** Ranks of one engine that are followed; the largest deployments have some dozens. */
const ranksMax = 256;

/**
 * Reads the answer of `GET /kv_event_sources`; what is no source is left out. `host` is the
 * replica's: an engine that listens everywhere does not say where that is.
 */
export function parseListedSources(answer: unknown, host: string): readonly KvSource[] {
  if (!isRecord(answer)) return [];
  const sources: KvSource[] = [];
  for (const [rank, listed] of Object.entries(answer).slice(0, ranksMax)) {
    if (!/^\d+$/.test(rank) || !isRecord(listed)) continue;
    const endpoint = listed["endpoint"];
    if (listed["enable_kv_cache_events"] === false || typeof endpoint !== "string") continue;
    if (!/^(tcp|ipc):\/\//.test(endpoint)) continue;
    const replay = listed["replay_endpoint"];
    const topic = listed["topic"];
    sources.push({
      rank: Number(rank),
      ...placeOf(endpoint, host),
      replayEndpoint: typeof replay === "string" ? placeOf(replay, host).endpoint : undefined,
      topic: typeof topic === "string" ? topic : "",
    });
  }
  return sources;
}

/** Sources by replica, as configured. */
export type ConfiguredSources = ReadonlyMap<string, readonly KvSource[]>;

/**
 * Reads `WARMPATH_KV_EVENTS`: `<replica>=<endpoint>`, followed by what concerns the same replica:
 * `replay=<endpoint>`, `topic=<text>`, `ranks=<count>`. Throws `rejected-config`.
 */
export function parseConfiguredSources(
  items: readonly string[],
  replicas: readonly string[],
): ConfiguredSources {
  const found = new Map<string, KvSource[]>();
  let current: { replica: string; source: KvSource; ranks: number } | undefined;
  const finish = () => {
    if (current === undefined) return;
    const { replica, source, ranks } = current;
    found.set(
      replica,
      Array.from({ length: ranks }, (_, rank) => atRank(source, rank)),
    );
  };
  for (const item of items) {
    const [name = "", value = ""] = item.split(/=(.*)/s);
    if (replicas.includes(name)) {
      finish();
      const place = placeOf(checkEndpoint(value), hostOf(name));
      const source = { rank: 0, ...place, replayEndpoint: undefined, topic: "" };
      current = { replica: name, ranks: 1, source };
    } else if (current === undefined) {
      throw fault(`${JSON.stringify(name)} is no upstream: write host:port of one`);
    } else {
      current = withDetail(current, name, value);
    }
  }
  finish();
  return found;
}

function withDetail(
  at: { replica: string; source: KvSource; ranks: number },
  name: string,
  value: string,
): typeof at {
  switch (name) {
    case "replay": {
      const { endpoint } = placeOf(checkEndpoint(value), hostOf(at.replica));
      return { ...at, source: { ...at.source, replayEndpoint: endpoint } };
    }
    case "topic":
      return { ...at, source: { ...at.source, topic: value } };
    case "ranks": {
      const ranks = Number(value);
      if (!Number.isInteger(ranks) || ranks < 1 || ranks > ranksMax) {
        throw fault(`ranks must be 1 to ${ranksMax}`);
      }
      return { ...at, ranks };
    }
    default:
      throw fault(`${JSON.stringify(name)} is neither an upstream nor replay, topic or ranks`);
  }
}

/** vLLM's ranks have their ports in a row. */
function atRank(source: KvSource, rank: number): KvSource {
  const { endpoint, replayEndpoint } = source;
  return {
    ...source,
    rank,
    endpoint: offset(endpoint, rank),
    replayEndpoint: replayEndpoint === undefined ? undefined : offset(replayEndpoint, rank),
  };
}

function offset(endpoint: string, rank: number): string {
  return endpoint.startsWith("tcp://")
    ? endpoint.replace(/\d+$/, (port) => String(Number(port) + rank))
    : endpoint;
}

/** vLLM's rule: it binds wildcards and files, and connects to everything else. */
function placeOf(endpoint: string, host: string): Pick<KvSource, "endpoint" | "mode"> {
  if (endpoint.startsWith("ipc://")) return { endpoint, mode: "connect" };
  const everywhere = /^tcp:\/\/(\*|\[::\]|::|0\.0\.0\.0):(\d+)$/.exec(endpoint);
  if (everywhere === null) return { endpoint, mode: "either" };
  const [, address, port] = everywhere;
  // To vLLM the last one is an address like any other; everywhere else it is a wildcard.
  return { endpoint: `tcp://${host}:${port}`, mode: address === "0.0.0.0" ? "either" : "connect" };
}

/** The host of a replica's name, which is `host:port` and perhaps a path. */
export function hostOf(replica: string): string {
  return URL.parse(`http://${replica}`)?.hostname ?? replica;
}

function checkEndpoint(value: string): string {
  if (!/^(tcp:\/\/.+:(\d+)|ipc:\/\/.+)$/.test(value)) {
    throw fault(`${JSON.stringify(value)} is no endpoint: write tcp://host:port or ipc://path`);
  }
  return value;
}

function fault(what: string): WarmpathError {
  return new WarmpathError("rejected-config", `WARMPATH_KV_EVENTS: ${what}`);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
