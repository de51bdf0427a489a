import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { connect as connectNats } from "@nats-io/transport-node";
import type { Command } from "commander";
import { Redis } from "ioredis";
import { Client } from "pg";
import { defaultDataDir, devKeyFile } from "../wiring/data-dir.ts";
import { serviceNames } from "../wiring/ports.ts";
import { type BlockFlags, blockUrl, withPort } from "./connection.ts";
import { readinessOf } from "./health.ts";

const probeTimeoutMs = 3000;

interface Finding {
  readonly name: string;
  /** Undefined: not needed, only reported. */
  readonly ok: boolean | undefined;
  readonly detail: string;
}

interface Flags extends BlockFlags {
  readonly dataDir: string;
  readonly postgres?: string;
  readonly redis?: string;
  readonly nats?: string;
}

/** Adds `doctor`: what is reachable, which versions, what is missing and how to get it. */
export function addDoctorCommand(program: Command): void {
  const env = process.env;
  withPort(program.command("doctor"))
    .description("say what is reachable, which versions there are, and what is missing")
    .option("--data-dir <dir>", "the data directory", env["WARMPATH_DATA_DIR"] ?? defaultDataDir)
    .option("--postgres <url>", "PostgreSQL to try", env["WARMPATH_POSTGRES"])
    .option("--redis <url>", "Redis to try", env["WARMPATH_REDIS"])
    .option("--nats <url>", "NATS to try", env["WARMPATH_NATS"])
    .action(async (flags: Flags) => {
      const findings = [
        { name: "bun", ok: true, detail: Bun.version },
        nodeFinding(),
        dataDirFinding(flags.dataDir),
        ...(await serviceFindings(flags)),
        ...(await Promise.all([
          serverFinding("postgres", flags.postgres, postgresVersion),
          serverFinding("redis", flags.redis, redisVersion),
          serverFinding("nats", flags.nats, natsVersion),
        ])),
        ...toolFindings(),
      ];
      for (const finding of findings) {
        process.stdout.write(`${mark(finding.ok)} ${finding.name.padEnd(16)} ${finding.detail}\n`);
      }
      process.exitCode = findings.some(({ ok }) => ok === false) ? 1 : 0;
    });
}

function mark(ok: boolean | undefined): string {
  if (ok === undefined) {
    return "–";
  }
  return ok ? "✓" : "✗";
}

function nodeFinding(): Finding {
  const version = commandVersion("node", ["--version"]);
  const major = Number(version?.match(/^v(\d+)/)?.[1] ?? 0);
  const detail = version ?? "not found: npm start and npm test need Node 20 or newer";
  return { name: "node", ok: major >= 20, detail };
}

function dataDirFinding(dataDir: string): Finding {
  const detail = existsSync(`${dataDir}/${devKeyFile}`)
    ? `${dataDir} (holds a development key)`
    : `${dataDir}: not there yet; \`npm start\` makes it`;
  return { name: "data directory", ok: undefined, detail };
}

async function serviceFindings(flags: BlockFlags): Promise<Finding[]> {
  return Promise.all(
    serviceNames.map(async (name): Promise<Finding> => {
      const url = blockUrl(flags, name, "http");
      const readiness = await readinessOf(url);
      if (readiness === undefined) {
        return { name, ok: undefined, detail: `nobody answers at ${url}` };
      }
      const faults = readiness.checks.filter(({ ok }) => !ok);
      const why = faults.map((each) => `${each.name}: ${each.detail ?? "not ready"}`).join("; ");
      return {
        name,
        ok: readiness.ready,
        detail: `${readiness.ready ? "ready" : "not ready"} at ${url}${why && `: ${why}`}`,
      };
    }),
  );
}

async function serverFinding(
  name: string,
  url: string | undefined,
  version: (url: string) => Promise<string>,
): Promise<Finding> {
  if (url === undefined) {
    return {
      name,
      ok: undefined,
      detail: `not configured: the embedded one is used; --${name} URL tries one`,
    };
  }
  try {
    return { name, ok: true, detail: await version(url) };
  } catch (error) {
    return {
      name,
      ok: false,
      detail: `unreachable: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
}

async function postgresVersion(url: string): Promise<string> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: probeTimeoutMs });
  await client.connect();
  try {
    const { rows } = await client.query<{ server: string; vector: string | null }>(
      "select current_setting('server_version') as server, (select default_version from pg_available_extensions where name = 'vector') as vector",
    );
    const vector = rows[0]?.vector;
    if (vector === null || vector === undefined) {
      throw new Error(
        `version ${rows[0]?.server ?? "?"}, but without pgvector, which knowledge search needs`,
      );
    }
    return `${rows[0]?.server ?? "?"} with pgvector ${vector}`;
  } finally {
    await client.end();
  }
}

async function redisVersion(url: string): Promise<string> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: probeTimeoutMs,
    retryStrategy: null,
    maxRetriesPerRequest: 0,
  });
  redis.on("error", () => undefined);
  await redis.connect();
  try {
    const info = await redis.info("server");
    return info.match(/redis_version:(\S+)/)?.[1] ?? "answers";
  } finally {
    redis.disconnect();
  }
}

async function natsVersion(url: string): Promise<string> {
  const connection = await connectNats({ servers: url, timeout: probeTimeoutMs, reconnect: false });
  try {
    const { info } = connection;
    if (info?.jetstream !== true) {
      throw new Error(`version ${info?.version ?? "?"}, but without JetStream: start it with -js`);
    }
    return `${info.version} with JetStream`;
  } finally {
    await connection.close();
  }
}

/** Tools that only some commands need. */
const tools: readonly [name: string, command: string, args: readonly string[], use: string][] = [
  ["chromium", "chromium", ["--version"], "the page's end-to-end test (Debian package chromium)"],
  ["nginx", "nginx", ["-v"], "the baseline of `npm run bench` (Debian package nginx-light)"],
  ["go", "go", ["version"], "regenerating the contract and building k6"],
  ["helm", "helm", ["version", "--short"], "rendering the chart"],
];

function toolFindings(): Finding[] {
  return tools.map(([name, command, args, use]) => {
    const version = commandVersion(command, args);
    return { name, ok: undefined, detail: version ?? `not found; wanted for ${use}` };
  });
}

function commandVersion(command: string, args: readonly string[]): string | undefined {
  const { status, stdout, stderr } = spawnSync(command, [...args], {
    encoding: "utf8",
    timeout: probeTimeoutMs,
  });
  return status === 0 ? (stdout || stderr).trim().split("\n")[0] : undefined;
}
