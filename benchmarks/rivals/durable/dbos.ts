import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startTestServers } from "../../../scripts/test-servers.ts";
import { installedFolder, installNpm } from "../install/packages.ts";
import { callForEnd, startApp } from "./app.ts";
import type { DurableSystem, FoundSystem, Model, StartedSystem } from "./system.ts";

const version = "5.3.0";
const source = `npm @dbos-inc/dbos-sdk@${version}`;

/** DBOS, twice: tasks begun where they were asked for, and tasks that go through its queue. */
export async function findDbos(mayInstall: boolean): Promise<readonly FoundSystem[]> {
  const absent = (reason: string) => [{ absent: `dbos: absent: ${reason} (${source})` }];
  if (Bun.which("node") === null) return absent("node is not installed");
  if (installedFolder("dbos") === undefined) {
    if (!mayInstall) return absent("not installed");
    try {
      await installNpm("dbos", { dependencies: { "@dbos-inc/dbos-sdk": version } });
    } catch (error) {
      return absent(error instanceof Error ? error.message : String(error));
    }
  }
  const folder = installedFolder("dbos");
  if (folder === undefined) return absent("not installed");
  const manifest = join(folder, "node_modules/@dbos-inc/dbos-sdk/package.json");
  const found = (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version;
  const system = (name: string, through: "start" | "queue", what: string): DurableSystem => ({
    name,
    what: `DBOS ${found} in one Node process on PostgreSQL with fsync; ${what}`,
    start: (model) => startDbos(folder, through, model),
  });
  return [
    { system: system("dbos", "start", "a task runs in the process that was asked") },
    {
      system: system(
        "dbos-queue",
        "queue",
        "a task goes through its durable queue, polled every 20 ms",
      ),
    },
  ];
}

async function startDbos(folder: string, through: string, model: Model): Promise<StartedSystem> {
  const servers = await startTestServers({ postgres: true, postgresFsync: true });
  try {
    const { postgres } = servers;
    if (postgres === undefined || "skipped" in postgres) {
      throw new Error(`no PostgreSQL: ${postgres?.skipped}`);
    }
    const app = await startApp("dbos-app.mjs", folder, model, {
      POSTGRES_URL: postgres.url,
      RUNS_THROUGH: through,
    });
    return {
      run: (question) => callForEnd(app.url, question),
      postgresUrl: postgres.url,
      async stop() {
        await app.stop();
        await servers.close();
      },
    };
  } catch (error) {
    await servers.close();
    throw error;
  }
}
