// What the scripts ask of the checkout: where it is, which files git tracks, and how to run a tool.

import { dirname, join } from "node:path";

/** The checkout's root. */
export const root = dirname(import.meta.dir);

/** The folder that downloaded and built tools live in; ignored by git, safe to delete. */
export const depsFolder = join(root, ".deps");

/** What one finished command left behind. */
export interface CommandResult {
  exitCode: number;
  /** Standard output and standard error, each as it came, output first. */
  text: string;
}

// What still runs when this process exits ends with it: nobody would read what it says.
const running = new Set<Bun.Subprocess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Runs a command to its end in the checkout, never through a shell. */
export async function runCommand(
  command: readonly string[],
  options: { cwd?: string; env?: Record<string, string>; timeoutMs?: number } = {},
): Promise<CommandResult> {
  const child = Bun.spawn([...command], {
    cwd: options.cwd ?? root,
    env: { ...process.env, ...options.env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    ...(options.timeoutMs === undefined
      ? {}
      : { timeout: options.timeoutMs, killSignal: "SIGKILL" }),
  });
  running.add(child);
  const [output, errors, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  running.delete(child);
  return { exitCode, text: output + errors };
}

/** The path of a program that an installed package brings. */
export function packageBin(name: string): string {
  return join(root, "node_modules", ".bin", name);
}

/** Runs git on this checkout, whoever owns its files. */
export async function git(...args: string[]): Promise<string> {
  const result = await runCommand(["git", "-c", `safe.directory=${root}`, ...args]);
  if (result.exitCode !== 0) throw new Error(`git ${args[0]} failed: ${result.text}`);
  return result.text;
}

/** Every file that git tracks or would track, deleted ones left out, relative to the root. */
export async function repositoryFiles(): Promise<readonly string[]> {
  const kinds = ["--cached", "--others", "--exclude-standard", "--deduplicate"];
  const listing = await git("ls-files", ...kinds, "-z");
  const gone = new Set((await git("ls-files", "--deleted", "-z")).split("\0"));
  return listing.split("\0").filter((path) => path !== "" && !gone.has(path));
}
