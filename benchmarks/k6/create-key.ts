import { join } from "node:path";
import type { RunningSystem } from "../system/start-system.ts";

const script = join(import.meta.dir, "../../scripts/warmpath.ts");

/** A key of another tenant, made as an operator would: `warmpath key create`. */
export async function createKey(system: RunningSystem, tenant: string): Promise<string> {
  const child = Bun.spawn(
    [
      process.execPath,
      script,
      ...["key", "create", "--tenant", tenant, "--user", "k6"],
      ...["--port", String(system.port), "--data-dir", system.dataDir],
    ],
    { stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  );
  const [said, errors] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  const secret = said.trim().split(/\s+/).at(-1) ?? "";
  if ((await child.exited) !== 0 || secret === "") {
    throw new Error(`no key for ${tenant}: ${errors.trim() || said.trim()}`);
  }
  return secret;
}
