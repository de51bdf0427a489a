import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { replicaOptions } from "./config.ts";

const script = join(import.meta.dir, "main.ts");

describe("the replica as a child process", () => {
  test("says where it listens, serves, and ends when the parent's pipe closes", async () => {
    const child = Bun.spawn([process.execPath, script, "--port", "0", "--model", "small"], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    const ready: unknown = JSON.parse(await firstLine(child.stdout));
    expect(ready).toMatchObject({ ready: true, simulated: true });
    const { url } = ready as { url: string };
    const models = await (await fetch(`${url}/v1/models`)).json();
    expect(models).toMatchObject({ data: [{ id: "small", owned_by: "warmpath-simulated" }] });
    await child.stdin.end();
    expect(await child.exited).toBe(0);
  });

  test("lists every setting in --help, and takes switches with and without --no-", async () => {
    const help = Bun.spawn([process.execPath, script, "--help"], { stdout: "pipe" });
    const said = await new Response(help.stdout).text();
    expect(await help.exited).toBe(0);
    for (const { flag } of Object.values(replicaOptions)) expect(said).toContain(`--${flag}`);
    expect(said).toContain("/_sim/restart");
    const { child, url } = await spawn("--dev-mode", "--no-enable-request-id-headers");
    const answer = await fetch(`${url}/is_paused`);
    expect([answer.status, answer.headers.get("x-request-id")]).toEqual([200, null]);
    await child.stdin.end();
    expect(await child.exited).toBe(0);
  });

  test("refuses a flag that it does not know in one line", async () => {
    const child = Bun.spawn([process.execPath, script, "--rain"], { stderr: "pipe" });
    const said = await new Response(child.stderr).text();
    expect(said).toStartWith("replica: Unknown option '--rain'");
    expect(said.trimEnd()).not.toContain("\n");
    expect(await child.exited).toBe(1);
  });

  test("says which address it cannot listen on", async () => {
    // Of a block kept for documentation: nobody has it.
    const command = [process.execPath, script, "--port", "0", "--host", "203.0.113.9"];
    const child = Bun.spawn(command, { stderr: "pipe" });
    expect(await child.exited).toBe(1);
    expect(await new Response(child.stderr).text()).toMatch(/^replica: .*listen.*\n$/i);
  });

  test("refuses faults that it does not know before it listens", async () => {
    const child = Bun.spawn([process.execPath, script, "--port", "0", "--faults", '{"rain": 1}'], {
      stderr: "pipe",
    });
    expect(await child.exited).toBe(1);
    expect(await new Response(child.stderr).text()).toStartWith(
      "replica: --faults: unknown fault rain",
    );
  });

  test("refuses a busy port in one line that names it", async () => {
    const holder = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("") });
    const port = String(holder.port);
    const child = Bun.spawn([process.execPath, script, "--port", port], { stderr: "pipe" });
    expect(await child.exited).toBe(1);
    const said = await new Response(child.stderr).text();
    expect(said.trim()).toBe(`replica: port ${port} is in use; choose another with --port`);
    await holder.stop(true);
  });
});

describe("SIGTERM", () => {
  test("lets the running answer end, and the process after it", async () => {
    const { child, url } = await spawn("--profile", "tiny");
    const answer = await stream(url, 40);
    child.kill("SIGTERM");
    expect(await answer.rest()).toEndWith("data: [DONE]\n\n");
    expect(await child.exited).toBe(0);
  });

  test("as vLLM takes it closes the port and hangs what runs until SIGKILL", async () => {
    const { child, url } = await spawn("--profile", "tiny", "--on-sigterm", "hang");
    const answer = await stream(url, 4000);
    child.kill("SIGTERM");
    await until(() => isRefused(url));
    const rest = answer.rest().catch(() => "cut");
    // One more step may have been on its way.
    expect(await Promise.race([rest, Bun.sleep(60)])).toBeUndefined();
    expect(child.exitCode).toBeNull();
    child.kill("SIGKILL");
    await child.exited;
    await rest;
  });

  test("with a shutdown timeout serves what runs and refuses what comes with a 500", async () => {
    const { child, url } = await spawn("--profile", "tiny", "--on-sigterm", "refuse");
    const answer = await stream(url, 100);
    child.kill("SIGTERM");
    await until(async () => (await ask(url, { max_tokens: 1 })).status === 500);
    expect((await fetch(`${url}/health`)).status).toBe(200);
    expect(await (await ask(url, {})).text()).toContain("cannot schedule new futures");
    expect(await answer.rest()).toEndWith("data: [DONE]\n\n");
    expect(await child.exited).toBe(0);
  });
});

/** A connection that was made in the moment of the signal hangs like all others. */
function isRefused(url: string): Promise<boolean> {
  return fetch(`${url}/health`, { signal: AbortSignal.timeout(200) }).then(
    () => false,
    (error: unknown) => !(error instanceof DOMException),
  );
}

async function spawn(...flags: string[]) {
  const command = [process.execPath, script, "--port", "0", ...flags];
  const child = Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  const { url } = JSON.parse(await firstLine(child.stdout)) as { url: string };
  return { child, url };
}

function ask(url: string, options: object): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ messages: [{ role: "user", content: "Hi" }], ...options }),
  });
}

/** A stream of so many tokens, of which the first has come. */
async function stream(url: string, tokens: number) {
  const answer = await ask(url, { stream: true, max_tokens: tokens, ignore_eos: true });
  const reader = answer.body?.getReader();
  await reader?.read();
  return {
    async rest(): Promise<string> {
      let text = "";
      for (;;) {
        const { value, done } = (await reader?.read()) ?? { done: true };
        if (done) return text;
        text += new TextDecoder().decode(value);
      }
    },
  };
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 4_000;
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new Error("the awaited state did not come in 4 s");
    await Bun.sleep(2);
  }
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  reader.releaseLock();
  return text.split("\n")[0] ?? "";
}
