import { startTestServers } from "../../scripts/test-servers.ts";

/** Something that tasks can be recorded in. */
export interface Storage {
  readonly name: "embedded" | "servers";
  readonly what: string;
  start(): Promise<StartedStorage>;
}

/** Addresses for the system; absent ones mean the embedded parts. */
export interface StartedStorage {
  readonly postgresUrl?: string;
  readonly redisUrl?: string;
  readonly natsUrl?: string;
  stop(): Promise<void>;
}

/** What comes with `warmpath up`. */
export const embedded: Storage = {
  name: "embedded",
  what: "PGlite in a child process (never fsyncs), hot store and bus in memory",
  start: async () => ({ stop: async () => undefined }),
};

/** Real servers: those of the test variables where all three are set, else private ones. */
export async function serverStorage(): Promise<Storage | { readonly absent: string }> {
  const given = givenServers();
  if (given !== undefined) {
    const what = "PostgreSQL, Redis and NATS of WARMPATH_TEST_*_URL, settings as found";
    return {
      name: "servers",
      what,
      start: async () => ({ ...given, stop: async () => undefined }),
    };
  }
  const probe = await startPrivateServers();
  if ("absent" in probe) return probe;
  await probe.stop();
  return {
    name: "servers",
    what: `private ${probe.programs}; PostgreSQL with fsync`,
    async start() {
      const started = await startPrivateServers();
      if ("absent" in started) throw new Error(started.absent);
      return started;
    },
  };
}

async function startPrivateServers(): Promise<
  (StartedStorage & { readonly programs: string }) | { readonly absent: string }
> {
  const servers = await startTestServers({
    postgres: true,
    postgresFsync: true,
    redis: true,
    nats: true,
  });
  const missing: string[] = [];
  const urls: string[] = [];
  const programs: string[] = [];
  for (const kind of ["postgres", "redis", "nats"] as const) {
    const server = servers[kind];
    if (server === undefined || "skipped" in server) {
      missing.push(`${kind}: ${server?.skipped ?? "not started"} (${server?.howTo ?? ""})`);
    } else {
      urls.push(server.url);
      programs.push(server.program);
    }
  }
  const [postgresUrl, redisUrl, natsUrl] = urls;
  if (postgresUrl === undefined || redisUrl === undefined || natsUrl === undefined) {
    await servers.close();
    return { absent: `servers: not run: ${missing.join("; ")}` };
  }
  return {
    postgresUrl,
    redisUrl,
    natsUrl,
    programs: programs.join(", "),
    stop: () => servers.close(),
  };
}

function givenServers(): Omit<StartedStorage, "stop"> | undefined {
  const postgresUrl = process.env["WARMPATH_TEST_POSTGRES_URL"];
  const redisUrl = process.env["WARMPATH_TEST_REDIS_URL"];
  const natsUrl = process.env["WARMPATH_TEST_NATS_URL"];
  if (!postgresUrl || !redisUrl || !natsUrl) return undefined;
  return { postgresUrl, redisUrl, natsUrl };
}
