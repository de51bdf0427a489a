#!/usr/bin/env bun
/** The `warmpath` command: runs the system, or one service of it, and talks to it. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { messageOf, WarmpathError } from "@warmpath/runtime/base";
import { Command, CommanderError } from "commander";
import { addChatCommand } from "./cli/chat.ts";
import { addDoctorCommand } from "./cli/doctor.ts";
import { addHealthCommand } from "./cli/health.ts";
import { addKeyCommands } from "./cli/key.ts";
import { addReplicasCommand } from "./cli/replicas.ts";
import { addTaskCommands } from "./cli/task.ts";
import { serviceNames } from "./wiring/ports.ts";

const upDescription =
  "run all layers in one process; embedded storage and simulated replicas unless told otherwise";
const serveDescription = `run one service: ${serviceNames.join(", ")}`;

/**
 * The whole command tree. The commands that run servers are built only when one is asked for:
 * loading every service would make each `task get` wait a second for code it does not use.
 */
async function createProgram(asked: string | undefined): Promise<Command> {
  const program = new Command("warmpath")
    .description("Warmpath serves AI agents: durable tasks, warm-cache inference, live tokens.")
    .version(versionOfCheckout(), "-V, --version", "print the version")
    .showHelpAfterError("(--help lists what there is)")
    .exitOverride();
  if (asked === "up" || asked === "serve" || asked === "help") {
    const { serveCommand, upCommand } = await import("./cli/server-commands.ts");
    for (const command of [upCommand(upDescription), serveCommand(serveDescription)]) {
      program.addCommand(command.copyInheritedSettings(program));
    }
  } else {
    program.command("up").description(upDescription);
    program.command("serve <service>").description(serveDescription);
  }
  addChatCommand(program);
  addTaskCommands(program);
  addReplicasCommand(program);
  addDoctorCommand(program);
  addKeyCommands(program);
  addHealthCommand(program);
  return program;
}

function versionOfCheckout(): string {
  const file = fileURLToPath(new URL("../package.json", import.meta.url));
  // Our own file.
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

/** Faults of usage end with 2, as is the custom; everything else that fails ends with 1. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? 0 : 2;
  }
  process.stderr.write(`warmpath: ${sentenceFor(error)}\n`);
  return 1;
}

/** Whoever types a command is the operator: a fault of ours is told with its cause. */
function sentenceFor(thrown: unknown): string {
  const error = WarmpathError.from(thrown);
  if (error.reason === "failed-internal" && error.cause !== undefined) {
    return `${error.message}: ${messageOf(error.cause)}`;
  }
  const isNobodyThere = error.message.startsWith("no connection to ");
  return isNobodyThere
    ? `${error.message}. Is Warmpath running there? \`npm start\` starts it; --port and --url say where it is.`
    : error.message;
}

// `warmpath task list | head`: whoever read us has seen enough, which is no fault.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 1);
});

try {
  const program = await createProgram(process.argv[2]);
  await program.parseAsync(process.argv);
  // A client command is done; a server holds the process open itself.
} catch (error) {
  process.exit(exitCodeOf(error));
}
