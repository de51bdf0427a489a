import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { KeyService } from "@warmpath/proto/state";
import {
  createPrincipalSigner,
  createServiceClient,
  createServiceTransport,
  type Principal,
  tracingOff,
} from "@warmpath/runtime";
import { systemClock, WarmpathError } from "@warmpath/runtime/base";
import type { Command } from "commander";
import { defaultDataDir, principalKeyFile } from "../wiring/data-dir.ts";
import { type BlockFlags, grpcUrl, withPort } from "./connection.ts";

interface Flags extends BlockFlags {
  readonly stateUrl?: string;
  readonly dataDir: string;
  readonly tenant: string;
}

/**
 * Adds `key create|list|revoke`. These act on `state` itself, for any tenant: whoever holds the key
 * that signs principals is the operator.
 */
export function addKeyCommands(program: Command): void {
  const key = program.command("key").description("manage API keys (for the operator)");
  withOperator(key.command("create"))
    .description("create a key and print its secret, once")
    .requiredOption("--user <user>", "the user that its calls act for")
    .option("--label <text>", "what it is for", "")
    .option("--requests-per-minute <count>", "0: no limit", "0")
    .option("--concurrent-tasks <count>", "0: no limit", "0")
    .option("--conversation-messages <count>", "0: no limit", "0")
    .action(async (flags: Flags & Record<string, string>) => {
      await withKeys(flags, async (keys, principal) => {
        const { key: created, secret } = await keys.createKey(
          {
            user: flags["user"] ?? "",
            label: flags["label"] ?? "",
            limits: {
              requestsPerMinute: count(flags, "requestsPerMinute"),
              concurrentTasks: count(flags, "concurrentTasks"),
              conversationMessages: count(flags, "conversationMessages"),
            },
          },
          { principal },
        );
        process.stdout.write(`${created?.keyId ?? ""}  ${secret}\n`);
      });
    });
  withOperator(key.command("list"))
    .description("list a tenant's keys")
    .action(async (flags: Flags) => {
      await withKeys(flags, async (keys, principal) => {
        for (const each of (await keys.listKeys({}, { principal })).keys) {
          const state = each.revokeTime === undefined ? "valid" : "revoked";
          process.stdout.write(`${each.keyId}  ${state.padEnd(7)}  ${each.user}  ${each.label}\n`);
        }
      });
    });
  withOperator(key.command("revoke <key-id>"))
    .description("revoke a key everywhere")
    .action(async (keyId: string, flags: Flags) => {
      await withKeys(flags, async (keys, principal) => {
        await keys.revokeKey({ keyId }, { principal });
        process.stdout.write(`${keyId} revoked\n`);
      });
    });
}

function withOperator(command: Command): Command {
  return withPort(command)
    .requiredOption("--tenant <tenant>", "the tenant whose keys they are")
    .option("--state-url <url>", "gRPC address of state (WARMPATH_STATE_URL; default: the block's)")
    .option(
      "--data-dir <dir>",
      "where the signing key is kept, unless WARMPATH_PRINCIPAL_KEYS is set",
      process.env["WARMPATH_DATA_DIR"] ?? defaultDataDir,
    );
}

async function withKeys(
  flags: Flags,
  act: (
    keys: ReturnType<typeof createServiceClient<typeof KeyService>>,
    principal: Principal,
  ) => Promise<void>,
): Promise<void> {
  const given = { url: flags.stateUrl, ...(flags.port === undefined ? {} : { port: flags.port }) };
  const url = grpcUrl(given, "state", "WARMPATH_STATE_URL");
  const transport = createServiceTransport({ url });
  const signer = createPrincipalSigner(signingKeys(flags.dataDir), systemClock);
  const principal = { tenant: flags.tenant, user: "operator", keyId: "", agentChain: [] };
  await act(
    createServiceClient(KeyService, transport, {
      signer,
      tracing: tracingOff,
      timeoutMs: 10_000,
    }),
    principal,
  );
  transport.close();
}

function signingKeys(dataDir: string): readonly string[] {
  const given = process.env["WARMPATH_PRINCIPAL_KEYS"];
  if (given !== undefined && given !== "") {
    return given.split(",");
  }
  const file = join(dataDir, principalKeyFile);
  if (!existsSync(file)) {
    throw new WarmpathError(
      "rejected-unauthenticated",
      `no signing key: set WARMPATH_PRINCIPAL_KEYS, or name the data directory that holds ${principalKeyFile}`,
    );
  }
  return [readFileSync(file, "utf8").trim()];
}

function count(flags: Record<string, string>, name: string): number {
  const value = Number(flags[name]);
  if (!Number.isInteger(value) || value < 0) {
    throw new WarmpathError(
      "rejected-invalid",
      `${name} is ${flags[name]}, but must be a whole number not below 0`,
    );
  }
  return value;
}
