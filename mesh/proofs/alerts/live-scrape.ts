import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { inTemporaryFolder } from "../temporary-folder.ts";

const scriptsDir = join(import.meta.dir, "../../../scripts");
/** A cold first start migrates an empty database; a busy machine takes its time. */
const readyMs = 60_000;
const taskMs = 30_000;
const stopMs = 10_000;
/** Somebody may take a port between two looks at it. */
const triesMax = 5;
/** First ports that are tried: below the system's range for outgoing connections. */
const firstPort = 20_000;
const portBlocks = 100;
/** Of the block: gateway, inference proxy, workers, state, simulated replica. */
const metricsOffsets = [0, 10, 20, 30, 41];

/**
 * Runs all four services in one process with a simulated replica, lets one task run, and reads
 * /metrics of each: five texts.
 */
export async function scrapeLive(): Promise<readonly string[]> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await inTemporaryFolder("metrics", scrapeOnce);
    } catch (error) {
      if (tries === triesMax || !/in use/.test(String(error))) throw error;
    }
  }
}

async function scrapeOnce(dataDir: string): Promise<readonly string[]> {
  const base = firstPort + 100 * Math.floor(Math.random() * portBlocks);
  const key = `wp_${randomBytes(32).toString("base64url")}`;
  const preload = ["--preload", join(scriptsDir, "end-with-parent.ts")];
  const flags = ["--port", `${base}`, "--data-dir", dataDir, "--replicas", "1"];
  const child = Bun.spawn(
    [process.execPath, ...preload, join(scriptsDir, "warmpath.ts"), "up", ...flags],
    {
      env: { ...process.env, WARMPATH_DEV_KEY: key, WARMPATH_LOG_LEVEL: "warn" },
      // Open as long as we live: the child ends when it closes.
      stdin: "pipe",
      stdout: "ignore",
      stderr: "pipe",
    },
  );
  const said = new Response(child.stderr).text();
  // Before its folder is removed.
  const killNow = () => child.kill("SIGKILL");
  process.prependOnceListener("exit", killNow);
  try {
    const urls = metricsOffsets.map((offset) => `http://127.0.0.1:${base + offset}`);
    const isUp = await untilReady(`${urls[0]}/ready`, () => child.exitCode !== null);
    if (!isUp) throw new Error(`the product did not start: ${await endOf(child, said)}`);
    await runTask(urls[0] ?? "", key);
    return await Promise.all(urls.map(async (url) => await (await fetch(`${url}/metrics`)).text()));
  } finally {
    await endOf(child, said);
    process.off("exit", killNow);
  }
}

async function endOf(child: Bun.Subprocess, said: Promise<string>): Promise<string> {
  child.kill("SIGTERM");
  const killer = setTimeout(() => child.kill("SIGKILL"), stopMs);
  await child.exited;
  clearTimeout(killer);
  return (await said).trim();
}

async function untilReady(url: string, hasEnded: () => boolean): Promise<boolean> {
  const deadlineMs = performance.now() + readyMs;
  while (!hasEnded() && performance.now() < deadlineMs) {
    const isReady = await fetch(url).then(
      ({ ok }) => ok,
      // Nobody listens yet.
      () => false,
    );
    if (isReady) return true;
    await Bun.sleep(50);
  }
  return false;
}

/** Submits a task and reads its events to the end. */
async function runTask(gatewayUrl: string, key: string): Promise<void> {
  const service = `${gatewayUrl}/warmpath.gateway.v1.AgentService`;
  const headers = { authorization: `Bearer ${key}` };
  const submitted = await fetch(`${service}/SubmitTask`, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify({ agent: "assistant", message: { text: "What is 6 times 7?" } }),
    signal: AbortSignal.timeout(taskMs),
  });
  const { taskId } = (await submitted.json()) as { readonly taskId?: string };
  const message = Buffer.from(JSON.stringify({ taskId }));
  // Connect's envelope of a stream's message: flags and length.
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  const watched = await fetch(`${service}/WatchTask`, {
    method: "POST",
    headers: { ...headers, "content-type": "application/connect+json" },
    body: Buffer.concat([head, message]),
    signal: AbortSignal.timeout(taskMs),
  });
  const events = await watched.text();
  if (!events.includes('"completed"')) {
    throw new Error(`the task did not complete: ${events.slice(-500)}`);
  }
}
