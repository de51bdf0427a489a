import { formatCachedShare, formatCost, formatCount, formatDuration } from "./format.ts";
import { isEnded, type RunView, type ServedView, type StepView } from "./run-view.ts";
import { StateDot } from "./task-list.tsx";
import { ToolCall } from "./tool-call.tsx";

interface RunProps {
  readonly run: RunView;
  /** What live text is labelled as until its step is recorded. */
  readonly isSimulated: boolean;
  readonly onCancel: (taskId: string) => void;
  readonly onOpenTask: (taskId: string) => void;
}

/** One task: what was asked, each step as it happens, and what it all cost. */
export function Run({ run, isSimulated, onOpenTask }: RunProps) {
  return (
    <article class="run" data-testid="run" data-task-id={run.taskId} data-state={run.state}>
      <p class="prompt" data-testid="prompt">
        {run.prompt}
      </p>
      <p class="run-agent">
        <span class="agent-name">{run.agent}</span>
        <StateDot state={run.state} testId="task-state" />
      </p>
      {run.items.map((item, index) =>
        item.kind === "message" ? (
          // Messages have no id of their own and never move.
          <p key={`message ${index}`} class="prompt" data-testid="received">
            {item.text}
          </p>
        ) : (
          <Step
            key={item.step}
            view={item}
            isLast={index === run.items.length - 1}
            isEnded={isEnded(run.state)}
            isSimulated={isSimulated}
            onOpenTask={onOpenTask}
          />
        ),
      )}
      <Waiting run={run} />
      {run.state === "failed" && (
        <p class="fault" role="alert" data-testid="run-fault">
          {run.note || "The run ended without an answer."}
        </p>
      )}
      {run.state === "cancelled" && <p class="note">Cancelled.</p>}
      <Total run={run} />
    </article>
  );
}

function Step(props: {
  view: StepView;
  isLast: boolean;
  isEnded: boolean;
  isSimulated: boolean;
  onOpenTask: (taskId: string) => void;
}) {
  const { view, isLast } = props;
  const isLive = view.served === undefined && !view.isVoid && !props.isEnded;
  const label = view.served?.isSimulated ?? props.isSimulated;
  return (
    <section class="step" data-testid="step" data-step={view.step}>
      {view.text !== "" && (
        <p
          class={`text ${view.isVoid ? "is-void" : ""} ${isLive && isLast ? "is-live" : ""}`}
          data-testid="answer-text"
        >
          {view.text}
        </p>
      )}
      {view.served !== undefined ? (
        <Served served={view.served} />
      ) : (
        label && view.text !== "" && <p class="served">{simulatedTag}</p>
      )}
      {view.tools.map((tool) => (
        <ToolCall key={tool.callId} tool={tool} onOpenTask={props.onOpenTask} />
      ))}
    </section>
  );
}

const simulatedTag = (
  <span
    class="tag"
    data-testid="simulated"
    title="This text comes from a simulated replica, not from a model"
  >
    simulated
  </span>
);

function Served({ served }: { served: ServedView }) {
  const { usage, replica, model, firstTokenMs } = served;
  return (
    <p class="served" data-testid="call-meta">
      {served.isSimulated && simulatedTag}
      <span data-testid="replica" title="Replica that served this call">
        {replica}
      </span>
      <span>{model}</span>
      {usage && (
        <>
          <span title="Prompt tokens, and how many of them the prefix cache held">
            {formatCount(usage.inputTokens)} in, {formatCachedShare(usage)} cached
          </span>
          <span>{formatCount(usage.outputTokens)} out</span>
          <span>{formatCost(usage.costNanodollars)}</span>
        </>
      )}
      {firstTokenMs > 0 && <span title="Time to first token">{formatDuration(firstTokenMs)}</span>}
    </p>
  );
}

function Waiting({ run }: { run: RunView }) {
  if (run.state === "queued") {
    return <p class="note is-busy">Waiting for a worker</p>;
  }
  if (run.state === "waiting") {
    return <p class="note is-busy">{run.note || "Waiting"}</p>;
  }
  const last = run.items.at(-1);
  const isThinking =
    run.state === "running" &&
    (last === undefined ||
      last.kind === "message" ||
      (last.served !== undefined && last.tools.every(({ outcome }) => outcome !== "running")));
  return isThinking ? <p class="note is-busy">Thinking</p> : null;
}

/** The whole run's tokens and money, as recorded with its end. */
function Total({ run }: { run: RunView }) {
  const { usage } = run;
  if (usage === undefined) {
    return null;
  }
  return (
    <dl class="total" data-testid="run-total">
      <Fact name="Cost" value={formatCost(usage.costNanodollars)} id="cost" />
      <Fact name="Prompt" value={formatCount(usage.inputTokens)} id="input-tokens" />
      <Fact name="Cached" value={formatCachedShare(usage)} id="cached" />
      <Fact name="Answer" value={formatCount(usage.outputTokens)} id="output-tokens" />
      <Fact name="Calls" value={formatCount(usage.modelCalls)} id="model-calls" />
    </dl>
  );
}

function Fact({ name, value, id }: { name: string; value: string; id: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd data-testid={id}>{value}</dd>
    </div>
  );
}
