import { join } from "node:path";
import { type BenchProcess, spawnProcess } from "../../system/spawn-process.ts";
import type { Model, TaskEnd } from "./system.ts";

const readyMs = 60_000;
const taskTimeoutMs = 60_000;

/** Starts one of the programs of `apps/` under Node; it prints its address when it is ready. */
export async function startApp(
  script: string,
  packagesFolder: string,
  model: Model,
  env: Readonly<Record<string, string>> = {},
): Promise<BenchProcess & { readonly url: string }> {
  const child = await spawnProcess({
    command: ["node", join(import.meta.dir, "apps", script)],
    env: {
      ...env,
      PACKAGES: join(packagesFolder, "package.json"),
      MODEL_URL: model.url,
      MODEL_NAME: model.name,
    },
    readyMs,
  });
  // The program's own line.
  const { url } = JSON.parse(child.firstLine) as { url: string };
  return { ...child, url };
}

/** One call that submits a task and waits for its end. */
export async function callForEnd(url: string, question: string): Promise<TaskEnd> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(question),
    signal: AbortSignal.timeout(taskTimeoutMs),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text.slice(0, 200)}`);
  // The program's own answer.
  return JSON.parse(text) as TaskEnd;
}
