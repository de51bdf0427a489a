/**
 * A simulated replica as a process of its own: `bun benchmarks/replica/main.ts --port 8741 --model
 * warmpath-sim`. Prints one JSON line when it listens. Ends on SIGTERM, SIGINT, or, when
 * stdin is a pipe, as soon as its other end closes.
 */
import { fstatSync } from "node:fs";
import { parseArgs } from "node:util";
import { loadConfig, messageOf, renderOptionsHelp } from "@warmpath/runtime/base";
import { replicaOptions } from "./config.ts";
import { createReplica } from "./replica.ts";

/** What `--help` says of the flags that are no options. */
const otherFlags = `  --detached
      Keep running when stdin closes.

A switch is set by its flag alone and cleared by --no-<flag>. With --allow-faults:
  GET, POST, DELETE /_sim/faults   what is wrong; change it; all is well again
     {"errors": {"503": 0.1}, "stall": {"afterTokens": 4, "ms": 10000, "rate": 1}, "die": {"afterTokens": 4},
      "streamError": {"afterTokens": 0, "status": 500}, "hang": true, "slowdown": 3, "lostEvents": 0.5, "forMs": 30000}
  POST /_sim/restart               {"kind": "kill" | "engine-death" | "sigterm", "downMs": 1000}
`;

const flagTypes = Object.values(replicaOptions).flatMap(({ flag, kind }) =>
  flag === undefined
    ? []
    : [[flag, { type: kind === "bool" ? ("boolean" as const) : ("string" as const) }] as const],
);
const values = readFlags();
if (values["help"] === true) {
  process.stdout.write(
    `bun benchmarks/replica/main.ts [flags]\n\n${renderOptionsHelp(replicaOptions)}\n\n${otherFlags}`,
  );
  process.exit(0);
}

const detached = values["detached"];
const flags: Record<string, string | boolean | undefined> = { ...values };
delete flags["help"];
delete flags["detached"];
const { replica, onSigterm, shutdownTimeoutMs } = await start();
process.stdout.write(
  `${JSON.stringify({ ready: true, url: replica.url, pid: process.pid, simulated: true })}\n`,
);
process.on("SIGTERM", () => {
  if (onSigterm === "hang") replica.hangUp();
  else void end();
});
if (detached === true || !isStdinPipe()) {
  process.on("SIGINT", () => void end());
} else {
  // What `exitWhenParentCloses` of runtime does; importing it would load all of gRPC into every
  // replica.
  for (const event of ["end", "close", "error"]) process.stdin.on(event, () => process.exit(0));
  process.stdin.resume();
  // Ctrl-C reaches the whole process group: the parent decides when its replicas go.
  process.on("SIGINT", () => undefined);
}

function readFlags(): Record<string, string | boolean | undefined> {
  try {
    const { values: read } = parseArgs({
      // A switch that is on by default is switched off by its name after --no-.
      allowNegative: true,
      options: {
        ...Object.fromEntries(flagTypes),
        help: { type: "boolean" },
        // Keep running when stdin closes, whatever it is.
        detached: { type: "boolean" },
      },
    });
    return read;
  } catch (error) {
    process.stderr.write(`replica: ${messageOf(error)}\n`);
    process.exit(1);
  }
}

/** A parent holds a pipe's other end; a terminal, a file and /dev/null are nobody's life line. */
function isStdinPipe(): boolean {
  try {
    const stdin = fstatSync(0);
    return stdin.isFIFO() || stdin.isSocket();
  } catch {
    // Closed from the start.
    return false;
  }
}

async function start() {
  try {
    const config = loadConfig(replicaOptions, {
      env: process.env,
      flags,
      knownNames: knownNames(),
    });
    const { onSigterm, shutdownTimeoutMs } = config;
    return { replica: await createReplica({ config }), onSigterm, shutdownTimeoutMs };
  } catch (error) {
    process.stderr.write(`replica: ${portFault(error) ?? messageOf(error)}\n`);
    process.exit(1);
  }
}

/**
 * Variables of other parts of the system may be set in the same environment; only ours are checked
 * here.
 */
function knownNames(): string[] {
  return Object.keys(process.env).filter(
    (name) => name.startsWith("WARMPATH_") && !name.startsWith("WARMPATH_SIM_"),
  );
}

function portFault(error: unknown): string | undefined {
  const inUse = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
  const port = flags["port"] ?? replicaOptions.port.fallback;
  return inUse ? `port ${String(port)} is in use; choose another with --port` : undefined;
}

async function end(): Promise<void> {
  if (onSigterm === "refuse") replica.refuseNew();
  await replica.close(shutdownTimeoutMs);
  process.exit(0);
}
