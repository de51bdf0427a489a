import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger, WarmpathError } from "@warmpath/runtime/base";
import { openStore } from "../store/store.ts";
import { copyTestCluster, openMsMax } from "../testing/test-store.ts";
import { isAlive } from "./is-alive.ts";
import { startPglite } from "./start-pglite.ts";

/**
 * Goal: nothing of the embedded database outlives its parent, and nothing committed is lost with
 * it.
 */
describe("the embedded database", () => {
  let dataDir: string;
  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), "warmpath-pglite-test-"));
    await copyTestCluster(dataDir);
  }, openMsMax);
  afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

  /**
   * A process that starts the database, commits a row, says both process ids, and waits to be
   * killed.
   */
  async function startVictim(value: number) {
    const script = `
      import { startPglite } from ${JSON.stringify(join(import.meta.dir, "start-pglite.ts"))};
      import pg from "pg";
      const db = await startPglite({ dataDir: ${JSON.stringify(dataDir)} });
      const client = new pg.Client({ connectionString: db.url });
      client.on("error", () => undefined);
      await client.connect();
      await client.query("create table if not exists kept (value integer)");
      await client.query("insert into kept values (${value})");
      await client.query("begin");
      await client.query("insert into kept values (-1)");
      console.log(db.pid);
      await new Promise(() => undefined);`;
    const victim = spawn(process.execPath, ["-e", script], {
      cwd: import.meta.dir,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const childPid = await new Promise<number>((resolve) =>
      victim.stdout.once("data", (data) => resolve(Number(data))),
    );
    return { victim, childPid };
  }

  async function keptValues(): Promise<number[]> {
    const db = await startPglite({ dataDir });
    const store = await openStore({
      databaseUrl: db.url,
      poolSize: 1,
      migrate: true,
      log: silentLogger,
    });
    const rows = await store.write.query<{ value: number }>(
      "select value from kept order by value",
    );
    await store.close();
    await db.close();
    return rows.map((row) => row.value);
  }

  test(
    "a killed parent takes the child with it, and what was committed is there at the next start",
    async () => {
      const { victim, childPid } = await startVictim(1);
      victim.kill("SIGKILL");
      // No wait: the next start has to outlast the dying child by itself.
      expect(await keptValues()).toEqual([1]);
      expect(isAlive(childPid)).toBe(false);
    },
    openMsMax,
  );

  test(
    "a killed child leaves nothing that stops the next start",
    async () => {
      const { victim, childPid } = await startVictim(2);
      process.kill(childPid, "SIGKILL");
      expect(await keptValues()).toEqual([1, 2]);
      victim.kill("SIGKILL");
    },
    openMsMax,
  );

  test(
    "a directory in use is refused by name, with the holder's process id",
    async () => {
      const db = await startPglite({ dataDir });
      const refused = await startPglite({ dataDir }).catch(WarmpathError.from);
      await db.close();
      expect(refused).toMatchObject({ reason: "rejected-data-dir-in-use" });
      expect((refused as WarmpathError).message).toContain(dataDir);
      expect((refused as WarmpathError).message).toContain(`process ${process.pid}`);
      expect(existsSync(join(dataDir, "run"))).toBe(false);
    },
    openMsMax,
  );

  test("a start that died while creating the cluster is begun anew", async () => {
    const fresh = mkdtempSync(join(tmpdir(), "warmpath-pglite-test-"));
    const lines: string[] = [];
    const first = startPglite({ dataDir: fresh, startMsMax: 600 }).catch(WarmpathError.from);
    expect(await first).toMatchObject({ reason: "failed-child" });
    expect(existsSync(join(fresh, "pglite"))).toBe(false);
    const db = await startPglite({ dataDir: fresh, onProgress: (text) => lines.push(text) });
    await db.close();
    expect(lines[0]).toContain("creating the embedded database");
    rmSync(fresh, { recursive: true, force: true });
  }, 120_000);

  test(
    "the child's own death is told",
    async () => {
      const db = await startPglite({ dataDir });
      process.kill(db.pid, "SIGKILL");
      expect(await db.ended).toContain("SIGKILL");
    },
    openMsMax,
  );
});
