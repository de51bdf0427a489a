import { formatJson } from "./format.ts";
import type { ToolView } from "./run-view.ts";

/** One tool call: a line with its name, argument and outcome; all of it when opened. */
export function ToolCall(props: { tool: ToolView; onOpenTask: (taskId: string) => void }) {
  const { tool } = props;
  return (
    <details
      class={`tool tool-${tool.outcome}`}
      data-testid="tool-call"
      data-call-id={tool.callId}
      data-outcome={tool.outcome}
    >
      <summary>
        <span class="tool-name">{tool.name}</span>
        <span class="tool-brief">{tool.args}</span>
        <span class="tool-outcome">{tool.outcome}</span>
      </summary>
      <div class="tool-body">
        <p class="tool-label">Arguments</p>
        <pre data-testid="tool-args">{formatJson(tool.args)}</pre>
        {tool.outcome !== "running" && (
          <>
            <p class="tool-label">Result</p>
            <pre data-testid="tool-result">{formatJson(tool.content)}</pre>
          </>
        )}
        {tool.childTaskId !== "" && (
          <button
            type="button"
            class="link"
            data-testid="open-child"
            onClick={() => props.onOpenTask(tool.childTaskId)}
          >
            Open the delegated task
          </button>
        )}
      </div>
    </details>
  );
}
