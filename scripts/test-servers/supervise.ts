// Runs one server under a small shell that outlives neither this process nor the server's folder:
// when the pipe from this process closes, for whatever reason, the shell stops the server and
// removes the folder.

import { chownSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A server that answers; `close` returns when it is gone and its folder too. */
export interface Started {
  readonly url: string;
  readonly program: string;
  close(): Promise<void>;
}

/** A folder of its own for one server. */
export function serverFolder(kind: string): string {
  return mkdtempSync(join(tmpdir(), `warmpath-test-${kind}-`));
}

/** True when this process may do everything, which some servers refuse to run with. */
export const isRoot = process.getuid?.() === 0;

const nobody = 65_534;

/** Prefix that runs a command without privileges, for servers that refuse to be run by root. */
export function unprivileged(command: readonly string[]): readonly string[] {
  if (!isRoot) return command;
  return ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups", "--", ...command];
}

/** Lets the unprivileged server own its folder. */
export function giveAway(folder: string): void {
  if (isRoot) chownSync(folder, nobody, nobody);
}

const triesMax = 50;
const firstPort = 20_000;
const portCount = 12_000;

/** A port that nothing listens on now, below the system's ephemeral range. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < triesMax; tries += 1) {
    const port = firstPort + Math.floor(Math.random() * portCount);
    const isFree = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once("error", () => resolve(false));
      server.listen({ host: "127.0.0.1", port, exclusive: true }, () => {
        server.close(() => resolve(true));
      });
    });
    if (isFree) return port;
  }
  throw new Error(`no free port found in ${triesMax} tries from ${firstPort}`);
}

// $1 is the folder, $2 the signal that stops the server, the rest is the command. Reading to the
// end of the input is waiting for this process to close the pipe, or to die.
const shell = `
folder=$1; signal=$2; shift 2
"$@" </dev/null >"$folder.log" 2>&1 &
server=$!
trap : INT TERM HUP
cat >/dev/null
kill -s "$signal" "$server" 2>/dev/null
( sleep 8; kill -s KILL "$server" 2>/dev/null ) >/dev/null 2>&1 &
killer=$!
wait "$server" 2>/dev/null
kill "$killer" 2>/dev/null
rm -rf "$folder" "$folder.log"
`;

const readyMsMax = 30_000;
const tryEveryMs = 50;

/** Starts a server and waits until `probe` no longer throws. */
export async function supervise(options: {
  folder: string;
  command: readonly string[];
  stopSignal: "TERM" | "INT";
  env?: Record<string, string>;
  probe: () => Promise<void>;
}): Promise<() => Promise<void>> {
  const { folder, command, stopSignal, probe } = options;
  const child = Bun.spawn(["/bin/sh", "-c", shell, "sh", folder, stopSignal, ...command], {
    cwd: folder,
    env: { ...process.env, ...options.env },
    stdin: "pipe",
    stdout: "ignore",
    stderr: "ignore",
  });
  const close = async (): Promise<void> => {
    await child.stdin.end();
    await child.exited;
  };
  const deadlineMs = performance.now() + readyMsMax;
  for (;;) {
    try {
      await probe();
      return close;
    } catch (cause) {
      if (performance.now() > deadlineMs) {
        const log = await Bun.file(`${folder}.log`).text();
        await close();
        throw new Error(`${command.join(" ")} did not get ready:\n${log.slice(-2000)}`, { cause });
      }
      await Bun.sleep(tryEveryMs);
    }
  }
}

/** Removes the folder of a server that was never started. */
export function discard(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
