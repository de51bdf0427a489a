import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

/** A PgBouncer in transaction mode before a server. */
export interface TestPooler {
  /** The server's URL with the pooler's address in it. */
  readonly url: string;
  close(): Promise<void>;
}

/** The pooler's program, or undefined: Debian has it as the package `pgbouncer`. */
export function findPgbouncer(): string | undefined {
  const debian = "/usr/sbin/pgbouncer";
  return Bun.which("pgbouncer") ?? (existsSync(debian) ? debian : undefined);
}

/**
 * Starts one that keeps `serverConnections` to the database of `serverUrl`, told what
 * mesh/stores/README.md says, less `ignores` where a test wants to see what happens without.
 */
export async function startPgbouncer(
  program: string,
  serverUrl: string,
  options: { readonly serverConnections: number; readonly ignores?: string },
): Promise<TestPooler> {
  const { hostname, port, username, password, pathname } = new URL(serverUrl);
  const folder = mkdtempSync(join(tmpdir(), "warmpath-pgbouncer-"));
  const ownPort = await freePort();
  const users = join(folder, "users.txt");
  writeFileSync(users, `"${decodeURIComponent(username)}" "${decodeURIComponent(password)}"\n`);
  const settings = join(folder, "pgbouncer.ini");
  writeFileSync(
    settings,
    `[databases]
* = host=${hostname} port=${port || "5432"}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${ownPort}
unix_socket_dir =
auth_type = trust
auth_file = ${users}
pool_mode = transaction
max_client_conn = 100
default_pool_size = ${options.serverConnections}
ignore_startup_parameters = ${options.ignores ?? "extra_float_digits,options,statement_timeout"}
`,
  );
  // It refuses to run as root; nobody may read the folder then.
  const isRoot = userInfo().uid === 0;
  if (isRoot) {
    Bun.spawnSync(["chmod", "-R", "a+rX", folder]);
  }
  const asUser = isRoot ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];
  const child = Bun.spawn([...asUser, program, settings], { stdout: "ignore", stderr: "pipe" });
  const said = await untilListening(child.stderr);
  const close = async () => {
    child.kill("SIGKILL");
    await child.exited;
    rmSync(folder, { recursive: true, force: true });
  };
  if (!said.isUp) {
    await close();
    throw new Error(`pgbouncer did not start: ${said.text}`);
  }
  const user = `${username}${password === "" ? "" : `:${password}`}`;
  return { url: `postgres://${user}@127.0.0.1:${ownPort}${pathname}`, close };
}

async function untilListening(
  stream: ReadableStream<Uint8Array>,
): Promise<{ readonly isUp: boolean; readonly text: string }> {
  const decoder = new TextDecoder();
  const reader = stream.getReader();
  let text = "";
  while (!text.includes("process up")) {
    const { value, done } = await reader.read();
    if (done) {
      return { isUp: false, text };
    }
    text += decoder.decode(value, { stream: true });
  }
  // What it says later is nobody's, but a full pipe would stop it.
  void (async () => {
    while (!(await reader.read()).done) {
      // Dropped.
    }
  })();
  return { isUp: true, text };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}
