import type { CallRequest } from "./types.ts";

/**
 * The job that a call belongs to: its task, else its session, and a sub-agent's is that of the
 * session it works for. Empty for a call that stands for itself.
 */
export function programOf({
  taskId,
  prompt: { session },
}: Pick<CallRequest, "taskId" | "prompt">): string {
  return taskId === "" ? (session.parentId ?? session.id) : taskId;
}
