import Redis from "ioredis";
import type { Skipped } from "../test-servers.ts";
import { aptInstall, versionOf } from "./programs.ts";
import { freePort, type Started, serverFolder, supervise } from "./supervise.ts";

/** A private Redis that keeps nothing on disk. */
export async function startRedis(): Promise<Started | Skipped> {
  if (Bun.which("redis-server") === null) {
    const fault = await aptInstall("redis-server");
    if (fault !== undefined) {
      return { skipped: `no redis-server: ${fault}`, howTo: "apt-get install redis-server" };
    }
  }
  const program = Bun.which("redis-server") ?? "/usr/bin/redis-server";
  const folder = serverFolder("redis");
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const close = await supervise({
    folder,
    command: [
      program,
      ...["--port", String(port), "--bind", "127.0.0.1", "--dir", folder],
      ...["--save", "", "--appendonly", "no"],
    ],
    stopSignal: "TERM",
    probe: () => ping(url),
  });
  return { url, program: `Redis ${(await versionOf(program)).join(".")} (${program})`, close };
}

async function ping(url: string): Promise<void> {
  const client = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    retryStrategy: null,
  });
  client.on("error", () => {
    // The failed connect says it too.
  });
  try {
    await client.connect();
    await client.ping();
  } finally {
    client.disconnect();
  }
}
