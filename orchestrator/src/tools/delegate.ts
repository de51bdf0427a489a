import { messageHash, userMessage } from "@warmpath/runtime";
import type { Input, NewChild, NewMessage } from "@warmpath/state/log";
import type { SpecTool } from "../agents/agent-spec.ts";
import { failed, type ToolResult } from "./tool.ts";

/** The tool through which an agent hands work to a sub-agent. */
export function delegateTool(agent: { name: string; description: string }): SpecTool {
  return {
    name: delegateToolName(agent.name),
    description: `Delegates a task to the agent "${agent.name}" and returns its answer. ${agent.description}`,
    parametersJson: JSON.stringify({
      type: "object",
      properties: {
        task: {
          type: "string",
          minLength: 1,
          maxLength: 65_536,
          description:
            "The whole task, self-contained: the delegate knows nothing of this conversation.",
        },
      },
      required: ["task"],
      additionalProperties: false,
    }),
    source: { kind: "delegate", agent: agent.name },
  };
}

/**
 * Longest agent name for which `delegate_to_` and the name fit the 64 characters of a tool name.
 */
export const delegateNameCharsMax = 64 - "delegate_to_".length;

/** Name of the tool that delegates to an agent. */
export function delegateToolName(agent: string): string {
  return `delegate_to_${agent}`;
}

/** The child task for a delegating call; its arguments were validated. */
export function childOf(options: {
  readonly taskId: string;
  readonly agent: string;
  readonly argumentsJson: string;
  readonly callId: string;
  readonly lane: NewChild["lane"];
}): NewChild {
  const { argumentsJson, ...rest } = options;
  // The arguments were validated against the schema above.
  const { task } = JSON.parse(argumentsJson) as { task: string };
  const message = userMessage(task.toWellFormed());
  const stored: NewMessage = { hash: messageHash(message), message };
  return { ...rest, message: stored };
}

/** What the delegating agent is told of its child's end. */
export function resultOfChild(input: Input): ToolResult {
  if (input.childState === "COMPLETED") {
    return { outcome: "done", content: input.childAnswer ?? "" };
  }
  if (input.childState === "CANCELLED") return failed("The delegated task was cancelled.");
  const why = input.childFailure?.message ?? "no reason was given";
  return failed(
    `The delegated task failed (${input.childFailure?.reason ?? "failed-child"}): ${why}`,
  );
}
