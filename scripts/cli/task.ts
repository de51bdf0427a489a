import { toJson } from "@bufbuild/protobuf";
import { Lane, type Task, TaskSchema, TaskState } from "@warmpath/proto/common";
import { type WatchTaskResponse, WatchTaskResponseSchema } from "@warmpath/proto/gateway";
import { WarmpathError } from "@warmpath/runtime/base";
import type { Command } from "commander";
import { type ConnectionFlags, connectGateway, withConnection } from "./connection.ts";
import { createWatchPrinter } from "./print-watch.ts";
import { followTask } from "./watch-loop.ts";

const lanes: Readonly<Record<string, Lane>> = {
  interactive: Lane.INTERACTIVE,
  standard: Lane.STANDARD,
  batch: Lane.BATCH,
};

type Flags = ConnectionFlags & { readonly json?: boolean };

/** Adds `task submit|get|events|watch|list|cancel`. */
export function addTaskCommands(program: Command): void {
  const task = program.command("task").description("submit tasks and follow them");
  addSubmit(task);
  addGet(task);
  addWatch(task);
  addList(task);
  addSend(task);
  addCancel(task);
}

function addSubmit(task: Command): void {
  withConnection(task.command("submit <agent> <message>"))
    .description("submit a task and print its id")
    .option("--thread <id>", "conversation to continue or begin", "")
    .option("--idempotency-key <key>", "a repeat with the same key returns the same task", "")
    .option("--lane <lane>", "interactive, standard or batch", "standard")
    .option("--watch", "follow it to its end")
    .action(async (agent: string, message: string, flags: Flags & SubmitFlags) => {
      const lane = lanes[flags.lane];
      if (lane === undefined) {
        throw new WarmpathError(
          "rejected-invalid",
          `--lane is ${flags.lane}, but must be one of ${Object.keys(lanes).join(", ")}`,
        );
      }
      const gateway = connectGateway(flags);
      const { taskId } = await gateway.agents.submitTask(
        {
          agent,
          message: { text: message },
          threadId: flags.thread,
          idempotencyKey: flags.idempotencyKey,
          lane,
        },
        { headers: gateway.headers },
      );
      process.stdout.write(`${taskId}\n`);
      if (flags.watch) {
        await followTask(gateway, taskId, "", createWatchPrinter(process.stdout));
      }
      gateway.close();
    });
}

interface SubmitFlags {
  readonly thread: string;
  readonly idempotencyKey: string;
  readonly lane: string;
  readonly watch?: boolean;
}

function addGet(task: Command): void {
  withConnection(task.command("get <task-id>"))
    .description("print a task as JSON")
    .action(async (taskId: string, flags: Flags) => {
      const gateway = connectGateway(flags);
      const response = await gateway.agents.getTask({ taskId }, { headers: gateway.headers });
      if (response.task !== undefined) {
        process.stdout.write(`${JSON.stringify(toJson(TaskSchema, response.task), null, 2)}\n`);
      }
      gateway.close();
    });
}

function addWatch(task: Command): void {
  withConnection(task.command("watch <task-id>"))
    .description("follow a task to its end: its text as it comes, its tool calls, its answer")
    .option("--cursor <cursor>", "continue after this cursor", "")
    .option("--json", "print one JSON response a line")
    .action(async (taskId: string, flags: Flags & { readonly cursor: string }) => {
      const gateway = connectGateway(flags);
      await followTask(
        gateway,
        taskId,
        flags.cursor,
        flags.json ? printJson : createWatchPrinter(process.stdout),
      );
      gateway.close();
    });
  withConnection(task.command("events <task-id>"))
    .description("print the recorded events of a task so far, one JSON object a line")
    .action(async (taskId: string, flags: Flags) => {
      const gateway = connectGateway(flags);
      await printRecordedEvents(gateway, taskId);
      gateway.close();
    });
}

function printJson(response: WatchTaskResponse): void {
  process.stdout.write(`${JSON.stringify(toJson(WatchTaskResponseSchema, response))}\n`);
}

/**
 * Prints events until the stream falls silent: what is recorded comes at once, a running task's
 * rest does not.
 */
async function printRecordedEvents(
  gateway: ReturnType<typeof connectGateway>,
  taskId: string,
): Promise<void> {
  const quietMs = 500;
  const abort = new AbortController();
  let timer = setTimeout(() => abort.abort(), 5000);
  try {
    const stream = gateway.agents.watchTask(
      { taskId },
      { headers: gateway.headers, signal: abort.signal },
    );
    for await (const response of stream) {
      clearTimeout(timer);
      timer = setTimeout(() => abort.abort(), quietMs);
      if (response.update.case === "event") {
        printJson(response);
      }
    }
  } catch (error) {
    if (!abort.signal.aborted) {
      throw error;
    }
  } finally {
    clearTimeout(timer);
  }
}

function addList(task: Command): void {
  withConnection(task.command("list"))
    .description("list tasks, newest first")
    .option("--limit <count>", "at most this many, 1 to 200", "20")
    .option("--thread <id>", "only tasks of this conversation", "")
    .option("--json", "print one JSON object a line")
    .action(async (flags: Flags & { readonly limit: string; readonly thread: string }) => {
      const pageSize = Number(flags.limit);
      if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > 200) {
        throw new WarmpathError(
          "rejected-invalid",
          `--limit is ${flags.limit}, but must be a whole number from 1 to 200`,
        );
      }
      const gateway = connectGateway(flags);
      const { tasks } = await gateway.agents.listTasks(
        { pageSize, threadId: flags.thread },
        { headers: gateway.headers },
      );
      for (const each of tasks) {
        process.stdout.write(
          `${flags.json ? JSON.stringify(toJson(TaskSchema, each)) : taskLine(each)}\n`,
        );
      }
      gateway.close();
    });
}

function taskLine(task: Task): string {
  const prompt = task.prompt.replaceAll(/\s+/g, " ").slice(0, 60);
  return `${task.taskId}  ${TaskState[task.state].padEnd(9)}  ${task.agent.padEnd(12)}  ${prompt}`;
}

function addSend(task: Command): void {
  withConnection(task.command("send <task-id> <message>"))
    .description("say something to a running task, or continue the conversation of an ended one")
    .action(async (taskId: string, message: string, flags: Flags) => {
      const gateway = connectGateway(flags);
      const response = await gateway.agents.sendMessage(
        { taskId, message: { text: message } },
        { headers: gateway.headers },
      );
      process.stdout.write(`${response.taskId}\n`);
      gateway.close();
    });
}

function addCancel(task: Command): void {
  withConnection(task.command("cancel <task-id>"))
    .description("ask a task and its children to stop")
    .action(async (taskId: string, flags: Flags) => {
      const gateway = connectGateway(flags);
      const { state } = await gateway.agents.cancelTask({ taskId }, { headers: gateway.headers });
      process.stdout.write(`${TaskState[state]}\n`);
      gateway.close();
    });
}
