import type { Task } from "@warmpath/proto/common";
import { systemClock } from "@warmpath/runtime/base";
import { formatAge } from "./format.ts";
import { stateName } from "./run-view.ts";

interface TaskListProps {
  readonly tasks: readonly Task[];
  readonly shownId: string;
  readonly onOpen: (task: Task) => void;
}

/** Past tasks, newest first; a click replays one from its record. */
export function TaskList({ tasks, shownId, onOpen }: TaskListProps) {
  if (tasks.length === 0) {
    return <p class="muted empty-list">Tasks appear here once you have sent a message.</p>;
  }
  const nowMs = systemClock.nowMs();
  return (
    <ol class="task-list" data-testid="task-list">
      {tasks.map((task) => (
        <li key={task.taskId}>
          <button
            type="button"
            class="task-item"
            data-testid="task-item"
            data-task-id={task.taskId}
            aria-current={task.taskId === shownId ? "true" : undefined}
            onClick={() => onOpen(task)}
          >
            <span class="task-prompt">{task.prompt}</span>
            <span class="task-facts">
              <StateDot state={stateName(task.state)} />
              {task.agent}
              <span class="grow" />
              {formatAge(task.createTime, nowMs)}
            </span>
          </button>
        </li>
      ))}
    </ol>
  );
}

/** A state as a word and a colour, so that neither is needed to understand the other. */
export function StateDot({ state, testId }: { state: string; testId?: string }) {
  return (
    <span class={`state state-${state}`} data-testid={testId}>
      {state}
    </span>
  );
}
