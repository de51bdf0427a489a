import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";

/** The k6 that is built where none is installed. */
export const pinnedVersion = "v2.2.0";

/** A k6 that can be run. */
export interface K6Program {
  readonly path: string;
  readonly origin: string;
  /** True when it has `k6/x/sse`, with which server-sent events are timed one by one. */
  readonly hasSse: boolean;
}

/** A k6 to run, or why there is none and what to do about it. */
export type K6 = K6Program | { readonly absent: string };

const builtPath = join(import.meta.dir, "../.bin/k6");

/**
 * `$K6_BIN`, else k6 on the PATH, else one built here before, else a build from the pinned Go
 * module.
 */
export async function findK6(options: {
  readonly mayBuild: boolean;
  /** Ends a build under way. */
  readonly signal?: AbortSignal;
}): Promise<K6> {
  const given = process.env["K6_BIN"];
  if (given !== undefined && given !== "") {
    if (existsSync(given)) return program(given, "K6_BIN");
    return { absent: `not run: K6_BIN names ${given}, which does not exist` };
  }
  const onPath = Bun.which("k6");
  if (onPath !== null) return program(onPath, "PATH");
  if (existsSync(builtPath)) return program(builtPath, `built here, ${pinnedVersion}`);
  const go =
    Bun.which("go") ?? (existsSync("/usr/local/go/bin/go") ? "/usr/local/go/bin/go" : null);
  if (go === null) {
    return {
      absent:
        "not run: no k6 and no Go. Install k6 (https://grafana.com/docs/k6/latest/set-up/install-k6/), or Go 1.26 or " +
        "later, with which k6 is built here once; or set K6_BIN.",
    };
  }
  if (!options.mayBuild)
    return { absent: "not run: k6 is not built yet (npm run bench:k6 builds it)" };
  return buildK6(go, options.signal);
}

async function program(path: string, origin: string): Promise<K6> {
  const asked = Bun.spawn([path, "version"], { stdout: "pipe", stderr: "ignore" });
  const said = await new Response(asked.stdout).text();
  if ((await asked.exited) !== 0) return { absent: `not run: ${path} version failed` };
  return { path, origin, hasSse: said.includes("k6/x/sse") };
}

async function buildK6(go: string, signal: AbortSignal | undefined): Promise<K6> {
  process.stderr.write(
    `k6: building ${pinnedVersion} from its Go module, one to three minutes, once …\n`,
  );
  mkdirSync(join(import.meta.dir, "../.bin"), { recursive: true });
  const startedMs = performance.now();
  const child = Bun.spawn(["nice", "-n", "10", go, "build", "-v", "-o", builtPath, "./build"], {
    cwd: import.meta.dir,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    killSignal: "SIGINT",
    ...(signal === undefined ? {} : { signal }),
  });
  let packages = 0;
  let said = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stderr) {
    const text = decoder.decode(chunk, { stream: true });
    said = (said + text).slice(-2_000);
    packages += text.split("\n").length - 1;
    if (process.stderr.isTTY) process.stderr.write(`\rk6: ${packages} packages compiled `);
  }
  const code = await child.exited;
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  if (code !== 0)
    return { absent: `not run: building k6 failed after ${seconds} s:\n${said.trim()}` };
  process.stderr.write(`${process.stderr.isTTY ? "\n" : ""}k6: built in ${seconds} s\n`);
  return program(builtPath, `built here, ${pinnedVersion}`);
}
