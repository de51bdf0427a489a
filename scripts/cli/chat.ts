import { createInterface } from "node:readline/promises";
import { Lane } from "@warmpath/proto/common";
import { newId } from "@warmpath/runtime/base";
import type { Command } from "commander";
import { type ConnectionFlags, connectGateway, withConnection } from "./connection.ts";
import { createWatchPrinter } from "./print-watch.ts";
import { followTask } from "./watch-loop.ts";

/** Adds `chat <agent>`: a conversation on the terminal, one task a turn. */
export function addChatCommand(program: Command): void {
  withConnection(program.command("chat [agent]"))
    .description("talk with an agent; an empty line or Ctrl-D ends it")
    .option("--thread <id>", "conversation to continue (default: a new one)")
    .action(async (agent: string | undefined, flags: ConnectionFlags & { thread?: string }) => {
      const gateway = connectGateway(flags);
      const threadId = flags.thread ?? newId("req");
      const name = agent ?? "assistant";
      process.stderr.write(`talking with ${name}, conversation ${threadId}\n`);
      const lines = createInterface({ input: process.stdin, output: process.stderr, prompt: "> " });
      let isOpen = true;
      lines.once("close", () => {
        isOpen = false;
      });
      lines.prompt();
      for await (const text of lines) {
        if (text.trim() === "") {
          break;
        }
        const { taskId } = await gateway.agents.submitTask(
          { agent: name, message: { text }, threadId, lane: Lane.INTERACTIVE },
          { headers: gateway.headers },
        );
        await followTask(gateway, taskId, "", createWatchPrinter(process.stdout));
        if (isOpen) {
          lines.prompt();
        }
      }
      lines.close();
      gateway.close();
    });
}
