import type { ServiceImpl } from "@connectrpc/connect";
import type { AgentService } from "@warmpath/proto/gateway";
import { callOptionsOf, principalOf } from "@warmpath/runtime";
import { assert } from "@warmpath/runtime/base";
import type { Agents } from "./agents.ts";
import type { Door } from "./door.ts";
import type { StateClients } from "./state-clients.ts";
import { type WatchDeps, watchTask } from "./watch.ts";

/** What the task methods stand on. */
export interface TaskDeps {
  readonly state: StateClients;
  readonly agents: Agents;
  readonly door: Door;
  readonly watch: WatchDeps;
}

/** `gateway.v1.AgentService` over the state service: nothing about a task is kept here. */
export function createAgentService(deps: TaskDeps): ServiceImpl<typeof AgentService> {
  const { state, agents, door } = deps;
  return {
    async submitTask(request, context) {
      const options = callOptionsOf(context);
      const { agent, message, threadId, idempotencyKey, lane } = request;
      assert(message !== undefined, "the proto rules require a message");
      await agents.assertKnown(options.principal, agent);
      const limits = taskLimits(door, options.principal);
      const task = { agent, text: message.text, threadId, idempotencyKey, lane, limits };
      const { taskId } = await state.tasks.createTask(task, options);
      return { taskId };
    },
    async getTask({ taskId }, context) {
      const { task } = await state.tasks.getTask({ taskId }, callOptionsOf(context));
      return { ...(task && { task }) };
    },
    async listTasks({ pageSize, pageToken, state: taskState, threadId }, context) {
      const request = { pageSize, pageToken, state: taskState, threadId };
      const page = await state.tasks.listTasks(request, callOptionsOf(context));
      return { tasks: page.tasks, nextPageToken: page.nextPageToken };
    },
    watchTask({ taskId, cursor }, context) {
      const { signal } = context;
      return watchTask(deps.watch, { principal: principalOf(context), taskId, cursor, signal });
    },
    async sendMessage({ taskId, message, idempotencyKey }, context) {
      const options = callOptionsOf(context);
      assert(message !== undefined, "the proto rules require a message");
      const limits = taskLimits(door, options.principal);
      const request = { taskId, text: message.text, idempotencyKey, limits };
      const answer = await state.tasks.sendMessage(request, options);
      return { taskId: answer.taskId };
    },
    async cancelTask({ taskId }, context) {
      const answer = await state.tasks.cancelTask({ taskId }, callOptionsOf(context));
      return { state: answer.state };
    },
    async listAgents(_request, context) {
      const found = await agents.list(principalOf(context));
      return {
        agents: found.map(({ name, description, tools, subAgents, specHash }) => ({
          name,
          description,
          tools,
          subAgents,
          specHash,
        })),
      };
    },
  };
}

/** Limits of the caller's key that `state` checks in the transaction that creates a task. */
export function taskLimits(door: Door, principal: Parameters<Door["limitsOf"]>[0]) {
  const { concurrentTasks, conversationMessages } = door.limitsOf(principal);
  return { concurrentTasks, conversationMessages };
}
