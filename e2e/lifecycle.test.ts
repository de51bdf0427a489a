import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { assertWhole, kindsOf, showcaseText, watchToEnd, webClient } from "./clients.ts";
import { launch } from "./process.ts";
import { nextPortBlock, startSystem, topology } from "./system.ts";

const timeoutMs = 90_000;
const entry = fileURLToPath(new URL("../scripts/warmpath.ts", import.meta.url));

/** Runs a command to its end and returns what it said. */
async function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number; output: string }> {
  const process = launch([entry, ...args], { WARMPATH_LOG_FORMAT: "json", ...env });
  const timer = setTimeout(() => void process.kill9(), 30_000);
  const code = await process.exited;
  clearTimeout(timer);
  await Bun.sleep(20);
  return { code, output: process.output() };
}

describe(`start and stop on ${topology}`, () => {
  test(
    "a stop leaves no process behind, and the next start resumes what was unfinished",
    async () => {
      // Short leases: who takes over the killed worker's task waits for its lease.
      const system = await startSystem({
        env: { WARMPATH_LEASE_MS: "2000", WARMPATH_LEASE_RENEW_MS: "500" },
      });
      const client = webClient(system);
      const finished = await client.submitTask({
        agent: "assistant",
        message: { text: "What is 2 + 2?" },
      });
      await watchToEnd(client, finished.taskId);
      const { taskId } = await client.submitTask({
        agent: "assistant",
        message: { text: `${showcaseText} Write 300 words about it.` },
      });
      await system.killWorker();
      await system.restartWorker();
      const watched = await watchToEnd(client, taskId);
      assertWhole(watched);
      expect(kindsOf(watched).at(-1)).toBe("completed");
      const { tasks } = await client.listTasks({});
      expect(tasks.map((task) => task.taskId).sort()).toEqual([finished.taskId, taskId].sort());
      await system.stop();
      await Bun.sleep(500);
      expect(system.survivors()).toEqual([]);
    },
    timeoutMs,
  );
});

// What a start refuses is decided before any storage is opened: one topology shows it.
(topology === "embedded" ? describe : () => undefined)("refusing to start", () => {
  test(
    "a busy port is one line that names it",
    async () => {
      const port = await nextPortBlock();
      const server = createServer().listen(port + 10, "127.0.0.1");
      const dataDir = mkdtempSync(join(tmpdir(), "warmpath-e2e-"));
      const { code, output } = await run(["up", "--port", String(port), "--data-dir", dataDir]);
      server.close();
      rmSync(dataDir, { recursive: true });
      expect(code).not.toBe(0);
      expect(output.trim().split("\n")).toHaveLength(1);
      expect(output).toContain(String(port + 10));
    },
    timeoutMs,
  );

  test(
    "a data directory that is in use is refused by name, and its user goes on",
    async () => {
      const system = await startSystem();
      const { code, output } = await run([
        "up",
        "--port",
        String(await nextPortBlock()),
        "--data-dir",
        system.dataDir,
      ]);
      expect(code).not.toBe(0);
      expect(output).toContain(system.dataDir);
      expect(output).toContain("in use");
      const client = webClient(system);
      const { taskId } = await client.submitTask({
        agent: "assistant",
        message: { text: "What is 2 + 2?" },
      });
      expect(kindsOf(await watchToEnd(client, taskId)).at(-1)).toBe("completed");
      await system.stop();
    },
    timeoutMs,
  );

  test(
    "bad settings are reported all at once, in sentences",
    async () => {
      const { code, output } = await run(["up", "--port", "seven"], {
        WARMPATH_REPLICAS: "-1",
        WARMPATH_POSTGRESS: "postgres://x",
      });
      expect(code).not.toBe(0);
      expect(output).toContain("--port");
      expect(output).toContain("WARMPATH_REPLICAS");
      expect(output).toContain("WARMPATH_POSTGRES");
    },
    timeoutMs,
  );

  test(
    "a fault in an agent file is reported with file and line",
    async () => {
      const agents = mkdtempSync(join(tmpdir(), "warmpath-agents-"));
      await Bun.write(
        join(agents, "broken.yaml"),
        "name: broken\ntools: [no_such_tool]\nsurprise: 1\n",
      );
      const { code, output } = await run([
        "up",
        "--port",
        String(await nextPortBlock()),
        "--agents",
        agents,
        "--data-dir",
        agents,
      ]);
      rmSync(agents, { recursive: true });
      expect(code).not.toBe(0);
      expect(output).toMatch(/broken\.yaml:\d+/);
      expect(output).toContain("surprise");
    },
    timeoutMs,
  );
});
