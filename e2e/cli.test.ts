import { expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { sharedSystem } from "./shared-system.ts";

const timeoutMs = 60_000;
const entry = fileURLToPath(new URL("../scripts/warmpath.ts", import.meta.url));

/** Runs a client command against the shared system and returns its standard output. */
async function warmpath(
  args: readonly string[],
  stdin = "",
): Promise<{ code: number; out: string; err: string }> {
  const system = await sharedSystem();
  const child = Bun.spawn([process.execPath, entry, ...args], {
    env: {
      ...process.env,
      WARMPATH_DEV_KEY: system.key,
      WARMPATH_PORT: String(system.port),
      WARMPATH_URL: `http://${system.gatewayGrpc}`,
      WARMPATH_INFERENCE_URL: `http://127.0.0.1:${system.port + 11}`,
      WARMPATH_STATE_URL: system.stateGrpcUrl,
      WARMPATH_PRINCIPAL_KEYS: system.principalKey,
    },
    stdin: new Blob([stdin]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, out, err };
}

test(
  "task submit, get, watch, events, list, send and cancel",
  async () => {
    const submitted = await warmpath([
      "task",
      "submit",
      "assistant",
      "What is 6 * 7?",
      "--thread",
      "cli",
      "--watch",
    ]);
    expect(submitted.code).toBe(0);
    const taskId = submitted.out.split("\n")[0] ?? "";
    expect(submitted.out).toContain("calculator");
    expect(submitted.out).toContain("42");
    const got = await warmpath(["task", "get", taskId]);
    expect(JSON.parse(got.out).state).toBe("TASK_STATE_COMPLETED");
    expect((await warmpath(["task", "watch", taskId])).out).toContain("completed");
    const events = (await warmpath(["task", "events", taskId])).out.trim().split("\n");
    expect(JSON.parse(events[0] ?? "").event.submitted.agent).toBe("assistant");
    expect((await warmpath(["task", "list", "--limit", "200"])).out).toContain(taskId);
    const continued = await warmpath(["task", "send", taskId, "And 7 * 8?"]);
    expect(continued.out.trim()).toMatch(/^task_[0-9a-f]{32}$/);
    expect((await warmpath(["task", "cancel", taskId])).out.trim()).toBe("COMPLETED");
  },
  timeoutMs,
);

test(
  "chat holds a conversation",
  async () => {
    const { code, out } = await warmpath(["chat", "assistant"], "What is 6 * 7?\nAnd hello.\n");
    expect(code).toBe(0);
    expect(out).toContain("42");
    expect(out.match(/completed/g)).toHaveLength(2);
  },
  timeoutMs,
);

test(
  "replicas lists them with their load, and says why one would be chosen",
  async () => {
    const { code, out } = await warmpath(["replicas", "--why", "hello"]);
    expect(code).toBe(0);
    expect(out.match(/healthy/g)?.length).toBeGreaterThanOrEqual(3);
    expect(out).toContain("simulated");
    // A text may be longer than any id.
    expect((await warmpath(["replicas", "--why", "hello ".repeat(200)])).code).toBe(0);
  },
  timeoutMs,
);

test(
  "doctor finds the running services; health probes one",
  async () => {
    const doctor = await warmpath(["doctor"]);
    expect(doctor.out.match(/ready at/g)).toHaveLength(4);
    expect((await warmpath(["health", "--service", "gateway"])).code).toBe(0);
    expect((await warmpath(["health", "--service", "gateway", "--port", "9"])).code).toBe(1);
  },
  timeoutMs,
);

test(
  "key create, use, revoke: a revoked key is refused at once",
  async () => {
    const { out } = await warmpath(["key", "create", "--tenant", "cli", "--user", "someone"]);
    const [keyId = "", secret = ""] = out.trim().split(/\s+/);
    expect((await warmpath(["task", "list", "--key", secret])).code).toBe(0);
    expect((await warmpath(["key", "list", "--tenant", "cli"])).out).toContain(keyId);
    await warmpath(["key", "revoke", keyId, "--tenant", "cli"]);
    const refused = await warmpath(["task", "list", "--key", secret]);
    expect(refused.code).toBe(1);
    expect(refused.err.trim().split("\n")).toHaveLength(1);
  },
  timeoutMs,
);

test(
  "a mistake in a command is one clear line and exit status 2",
  async () => {
    const { code, err } = await warmpath(["task", "sumbit", "assistant", "hi"]);
    expect(code).toBe(2);
    expect(err).toContain("submit");
  },
  timeoutMs,
);
