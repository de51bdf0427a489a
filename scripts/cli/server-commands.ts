import { WarmpathError } from "@warmpath/runtime/base";
import { Command } from "commander";
import { loadSettings } from "../wiring/load-settings.ts";
import { type ServiceName, serviceNames } from "../wiring/ports.ts";
import { runUntilStopped } from "../wiring/run-until-stopped.ts";
import { serve } from "../wiring/serve.ts";
import { up } from "../wiring/up.ts";
import { givenFlags, withSettings } from "./option-flags.ts";

/** `up`: everything in one process. */
export function upCommand(description: string): Command {
  const command = new Command("up").description(description);
  return withSettings(command).action(async () => {
    const settings = loadSettings({ env: process.env, flags: givenFlags(command) });
    await runUntilStopped(settings, (context) => up(settings, context));
  });
}

/** `serve <service>`: one service, on real PostgreSQL, Redis and NATS. */
export function serveCommand(description: string): Command {
  const command = new Command("serve").argument("<service>").description(description);
  return withSettings(command).action(async (name: string) => {
    const service = serviceNames.find((each): each is ServiceName => each === name);
    if (service === undefined) {
      throw new WarmpathError(
        "rejected-config",
        `there is no service ${name}: it must be one of ${serviceNames.join(", ")}`,
      );
    }
    const settings = loadSettings({ env: process.env, flags: givenFlags(command) });
    await runUntilStopped(settings, (context) => serve(service, settings, context));
  });
}
