import { describe, expect, test } from "bun:test";
import { join } from "node:path";

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
