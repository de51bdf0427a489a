// Private PostgreSQL, Redis and NATS for tests: on free ports of 127.0.0.1, in a temporary folder,
// gone when closed and also when this process dies. What is not installed is fetched where that is
// possible without asking; else the answer says what is missing and how to get it.
//
// bun scripts/test-servers.ts    starts all three, prints their variables, stops with Ctrl-C

import { startNats } from "./test-servers/nats.ts";
import { startPostgres } from "./test-servers/postgres.ts";
import { startRedis } from "./test-servers/redis.ts";
import type { Started } from "./test-servers/supervise.ts";

/** Why a server does not run here, and what to do so that it does. */
export interface Skipped {
  readonly skipped: string;
  readonly howTo: string;
}

/** A running server: its URL and, for people, which program it is. */
export interface Running {
  readonly url: string;
  readonly program: string;
}

/** Which servers are wanted. */
export interface WantedServers {
  readonly postgres?: boolean;
  /** Durable writes; off by default because tests throw their data away. */
  readonly postgresFsync?: boolean;
  readonly redis?: boolean;
  readonly nats?: boolean;
}

/** What runs, and what does not; absent is what was not wanted. */
export interface TestServers {
  readonly postgres?: Running | Skipped;
  readonly redis?: Running | Skipped;
  readonly nats?: Running | Skipped;
  /** The variables that tests read, for the servers that run. */
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** The variable by which tests find each server. */
export const serverVariables = {
  postgres: "WARMPATH_TEST_POSTGRES_URL",
  redis: "WARMPATH_TEST_REDIS_URL",
  nats: "WARMPATH_TEST_NATS_URL",
} as const;

type Kind = keyof typeof serverVariables;

/** Starts the wanted servers side by side; one that cannot run does not stop the others. */
export async function startTestServers(wanted: WantedServers): Promise<TestServers> {
  const starts: Record<Kind, (() => Promise<Started | Skipped>) | undefined> = {
    postgres: wanted.postgres
      ? () => startPostgres({ fsync: wanted.postgresFsync ?? false })
      : undefined,
    redis: wanted.redis ? startRedis : undefined,
    nats: wanted.nats ? startNats : undefined,
  };
  const started: Started[] = [];
  const results: Partial<Record<Kind, Running | Skipped>> = {};
  const env: Record<string, string> = {};
  const startOne = async (kind: Kind): Promise<void> => {
    const outcome = await starts[kind]?.().catch(failedToStart);
    if (outcome === undefined) return;
    results[kind] = outcome;
    if ("skipped" in outcome) return;
    started.push(outcome);
    env[serverVariables[kind]] = outcome.url;
  };
  await Promise.all((["postgres", "redis", "nats"] as const).map(startOne));
  return {
    ...results,
    env,
    close: async () => {
      await Promise.all(started.map((server) => server.close()));
    },
  };
}

function failedToStart(error: unknown): Skipped {
  const reason = error instanceof Error ? error.message : String(error);
  return { skipped: reason, howTo: "see the server's own words above" };
}

if (import.meta.main) {
  const servers = await startTestServers({ postgres: true, redis: true, nats: true });
  for (const kind of ["postgres", "redis", "nats"] as const) {
    const server = servers[kind];
    if (server === undefined) continue;
    if ("skipped" in server) console.error(`${kind}: not running: ${server.skipped}`);
    else console.log(`export ${serverVariables[kind]}=${server.url}  # ${server.program}`);
  }
  const { promise, resolve } = Promise.withResolvers<void>();
  process.once("SIGINT", () => resolve());
  process.once("SIGTERM", () => resolve());
  await promise;
  await servers.close();
}
