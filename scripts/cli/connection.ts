import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Client, createClient } from "@connectrpc/connect";
import { AgentService } from "@warmpath/proto/gateway";
import { createServiceTransport } from "@warmpath/runtime";
import { WarmpathError } from "@warmpath/runtime/base";
import type { Command } from "commander";
import { defaultDataDir, devKeyFile } from "../wiring/data-dir.ts";
import {
  defaultPort,
  portFrom,
  portsOf,
  reachableHost,
  type ServiceName,
} from "../wiring/ports.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** Which system a client command talks to, unless it names an address. */
export interface BlockFlags {
  readonly port?: string;
}

/** What a client command is told about the system it talks to. */
export interface ConnectionFlags extends BlockFlags {
  readonly url?: string;
  readonly key?: string;
  readonly dataDir: string;
}

/** Adds the flags that every client command shares. */
export function withConnection(command: Command): Command {
  return withPort(command)
    .option("--url <url>", "gRPC address of the gateway (WARMPATH_URL; default: the block's)")
    .option("--key <key>", "API key (default: WARMPATH_DEV_KEY, or the data directory's)")
    .option(
      "--data-dir <dir>",
      "where the development key is kept (WARMPATH_DATA_DIR)",
      process.env["WARMPATH_DATA_DIR"] ?? defaultDataDir,
    );
}

/** Adds `--port`, by which a moved system is found as it was started. */
export function withPort(command: Command): Command {
  return command.option(
    "--port <port>",
    `first port of the system's block (WARMPATH_PORT; default ${defaultPort})`,
  );
}

/** The first port of the block that is meant. */
export function blockPort({ port }: BlockFlags, env: Env = process.env): number {
  if (port !== undefined) {
    return portFrom(port, "--port");
  }
  const fromEnv = env["WARMPATH_PORT"];
  return fromEnv === undefined || fromEnv === "" ? defaultPort : portFrom(fromEnv, "WARMPATH_PORT");
}

/** The base address of one listener of a service of the block that is meant. */
export function blockUrl(
  flags: BlockFlags,
  service: ServiceName,
  listener: "http" | "grpc",
  env: Env = process.env,
): string {
  const host = reachableHost(env["WARMPATH_HOST"] || "127.0.0.1");
  return `http://${host}:${portsOf(blockPort(flags, env)).services[service][listener]}`;
}

/**
 * The gRPC address to call. What is written on the command line wins over variables, and an address
 * over a port.
 */
export function grpcUrl(
  given: BlockFlags & { readonly url?: string | undefined },
  service: ServiceName,
  variable: string,
  env: Env = process.env,
): string {
  if (given.url !== undefined) {
    return checkedUrl(given.url, "the address");
  }
  const fromEnv = env[variable];
  return given.port === undefined && fromEnv !== undefined && fromEnv !== ""
    ? checkedUrl(fromEnv, variable)
    : blockUrl(given, service, "grpc", env);
}

function checkedUrl(url: string, giver: string): string {
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? "")) {
    throw new WarmpathError(
      "rejected-invalid",
      `${giver} is ${url}, but must be a URL such as http://127.0.0.1:8701`,
    );
  }
  return url;
}

/** The key to call with, or an error that says where one comes from. */
export function resolveKey({ key, dataDir }: Pick<ConnectionFlags, "key" | "dataDir">): string {
  const file = join(dataDir, devKeyFile);
  const found =
    key ??
    process.env["WARMPATH_DEV_KEY"] ??
    (existsSync(file) ? readFileSync(file, "utf8").trim() : undefined);
  if (found === undefined || found === "") {
    throw new WarmpathError(
      "rejected-unauthenticated",
      `no API key: give --key, set WARMPATH_DEV_KEY, or run \`npm start\` once, which keeps one in ${file}`,
    );
  }
  return found;
}

/** A connection to the gateway. */
export interface GatewayConnection {
  readonly agents: Client<typeof AgentService>;
  /** The headers that authenticate a call. */
  readonly headers: { readonly authorization: string };
  close(): void;
}

/** Opens a connection; nothing is sent before the first call. */
export function connectGateway(flags: ConnectionFlags): GatewayConnection {
  const headers = { authorization: `Bearer ${resolveKey(flags)}` };
  const transport = createServiceTransport({ url: grpcUrl(flags, "gateway", "WARMPATH_URL") });
  return {
    agents: createClient(AgentService, transport),
    headers,
    close: () => transport.close(),
  };
}
