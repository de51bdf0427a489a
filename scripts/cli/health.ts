import { WarmpathError } from "@warmpath/runtime/base";
import type { Command } from "commander";
import { type ServiceName, serviceNames } from "../wiring/ports.ts";
import { type BlockFlags, blockUrl, withPort } from "./connection.ts";

const probeTimeoutMs = 2000;

/** What a service's /ready says. */
export interface Readiness {
  readonly ready: boolean;
  readonly checks: readonly { name: string; ok: boolean; detail?: string }[];
}

/** Asks a service whether it is ready; undefined when nobody answers. */
export async function readinessOf(url: string): Promise<Readiness | undefined> {
  try {
    const response = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(probeTimeoutMs) });
    // Our own services' answer, by contract.
    return (await response.json()) as Readiness;
  } catch {
    // Refused, timed out or not one of ours: all the same to whoever asks.
    return undefined;
  }
}

/** Adds `health`: a probe for containers, which have neither shell nor curl. */
export function addHealthCommand(program: Command): void {
  withPort(program.command("health"))
    .description("exit with 0 when a service on this host is ready, with 1 when it is not")
    .requiredOption("--service <name>", `one of ${serviceNames.join(", ")}`)
    .action(async (flags: BlockFlags & { readonly service: string }) => {
      const name = serviceNames.find((each): each is ServiceName => each === flags.service);
      if (name === undefined) {
        throw new WarmpathError(
          "rejected-invalid",
          `--service is ${flags.service}, but must be one of ${serviceNames.join(", ")}`,
        );
      }
      const readiness = await readinessOf(blockUrl(flags, name, "http"));
      process.exitCode = readiness?.ready ? 0 : 1;
      process.stdout.write(`${JSON.stringify(readiness ?? { ready: false, checks: [] })}\n`);
    });
}
