/**
 * A run of the level in namespaces of its own. What it starts sees no process, mount or network
 * namespace of the machine's, and nothing of it outlives it: when this process ends, even by
 * SIGKILL, the kernel kills the run's first process, and with it all others; with the last one go
 * the mounts, and with the mounts the pods' network namespaces and their interfaces.
 */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import type { ProofResult } from "../../step.ts";

/** What the run says to this process: a line of JSON each. */
export type InsideLine =
  | { readonly say: string }
  | { readonly result: ProofResult }
  | { readonly error: string };

const prefix = "warmpath-packets-";
/** Names the process that a folder belongs to, for as long as that is at work. */
const ownerFile = "owner";
const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The run's `ip netns` keeps its names where nobody else sees them. */
const mounts = `mkdir -p /run/netns /etc/netns
mount -t tmpfs packets /run/netns
mount -t tmpfs packets /etc/netns`;

/** Each dies with its parent: unshare with this process, and the run's first with unshare. */
const inNamespaces = [
  ...["setpriv", "--pdeathsig", "KILL", "--"],
  ...["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL", "--"],
];

/** Why namespaces cannot be made here; undefined: they can. */
export function namespacesMissing(): string | undefined {
  const { exitCode, stderr } = Bun.spawnSync([...inNamespaces, "bash", "-ec", mounts]);
  return exitCode === 0 ? undefined : `no namespaces here: ${stderr.toString().trim()}`;
}

/**
 * Runs a script with Bun as the first process of new namespaces, in a temporary folder of its own,
 * which stays only if something failed. Removes what runs left behind that were killed.
 */
export async function runIsolated(
  script: string,
  say: (line: string) => void,
): Promise<ProofResult> {
  removeLeftovers();
  const dir = mkdtempSync(join(tmpdir(), prefix));
  writeFileSync(join(dir, ownerFile), ownerOf(process.pid) ?? "");
  // Envoy and PostgreSQL run as other users.
  chmodSync(dir, 0o777);
  const child = Bun.spawn(
    [...inNamespaces, "bash", "-ec", `${mounts}\nexec "$0" "$@"`, process.execPath, script],
    { env: { ...process.env, TMPDIR: dir }, stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  );
  const onSignal = (name: NodeJS.Signals) => {
    void killRun(child).then(() => {
      rmSync(dir, { recursive: true, force: true });
      process.exit(128 + constants.signals[name]);
    });
  };
  for (const name of signals) {
    process.once(name, onSignal);
  }
  try {
    const result = await resultOf(child, say);
    if (result.failures.length === 0) {
      rmSync(dir, { recursive: true, force: true });
    } else {
      rmSync(join(dir, ownerFile));
      say(`logs are kept in ${dir}`);
    }
    return result;
  } finally {
    for (const name of signals) {
      process.off(name, onSignal);
    }
  }
}

/** Reads the run to its end. One that ends without a result has failed. */
async function resultOf(
  child: Bun.Subprocess<"ignore", "pipe", "pipe">,
  say: (line: string) => void,
): Promise<ProofResult> {
  const complaints = new Response(child.stderr).text();
  let result: ProofResult | undefined;
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const text of lines) {
      // inside.ts writes nothing else.
      const line = JSON.parse(text) as InsideLine;
      if ("say" in line) {
        say(line.say);
      } else {
        result = "result" in line ? line.result : { passed: 0, failures: [line.error] };
      }
    }
  }
  const status = await child.exited;
  const failures = [`the run ended with status ${status}: ${await complaints}`];
  return result ?? { passed: 0, failures };
}

/**
 * Kills the run's first process. It is not gone before all others of its namespace are, and unshare
 * not before it: then nobody writes any more.
 */
async function killRun(unshare: { readonly pid: number; readonly exited: Promise<number> }) {
  const { pid, exited } = unshare;
  const first = Number(readOr(`/proc/${pid}/task/${pid}/children`, "").trim());
  process.kill(first > 1 ? first : pid, "SIGKILL");
  await exited;
}

/** Folders of runs whose process is gone: nobody else's, and none that was kept for its logs. */
function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir()).filter((each) => each.startsWith(prefix))) {
    const dir = join(tmpdir(), name);
    const owner = readOr(join(dir, ownerFile), undefined);
    if (owner !== undefined && ownerOf(Number(owner.split(" ")[0])) !== owner) {
      rmSync(dir, { recursive: true, force: true });
    }
  }
}

/** A process by its id and its start, because ids are used again; undefined: there is none. */
function ownerOf(pid: number): string | undefined {
  // proc(5): the program's name is in parentheses; the start is the 20th field after it.
  const fields = readOr(`/proc/${pid}/stat`, undefined)?.split(") ").at(-1)?.split(" ");
  return fields && `${pid} ${fields[19]}`;
}

function readOr<T extends string | undefined>(path: string, otherwise: T): string | T {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Not there, or gone since it was listed.
    return otherwise;
  }
}
