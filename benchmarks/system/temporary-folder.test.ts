import { expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "./temporary-folder.ts";

test("a folder goes when it is removed", () => {
  const { path, remove } = temporaryFolder("warmpath-test-");
  writeFileSync(join(path, "file"), "text");
  remove();
  expect(existsSync(path)).toBe(false);
});

test("a bench that is cut off takes the folder with it, even one that a child still writes into", async () => {
  const script = `
    import { temporaryFolder } from ${JSON.stringify(join(import.meta.dir, "temporary-folder.ts"))};
    import { spawnProcess } from ${JSON.stringify(join(import.meta.dir, "spawn-process.ts"))};
    const { path } = temporaryFolder("warmpath-test-");
    const write = 'echo ready; i=0; while [ -d "$0" ]; do i=$((i+1)); echo text > "$0/$i"; done';
    await spawnProcess({ command: ["/bin/sh", "-c", write, path], readyMs: 10_000 });
    console.log(path);
    process.exit(130);
  `;
  const child = Bun.spawn([process.execPath, "-e", script], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const path = (await new Response(child.stdout).text()).trim();
  expect(await child.exited).toBe(130);
  expect(path).toContain("warmpath-test-");
  expect(existsSync(path)).toBe(false);
});
