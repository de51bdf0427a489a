import { useEffect, useRef } from "preact/hooks";
import { Run } from "./run.tsx";
import type { RunView } from "./run-view.ts";

interface ConversationProps {
  readonly runs: readonly RunView[];
  readonly isSimulated: boolean;
  readonly onCancel: (taskId: string) => void;
  readonly onOpenTask: (taskId: string) => void;
  readonly onExample: (text: string) => void;
}

/** Distance from the end, in pixels, within which the reader counts as following along. */
const followingPx = 80;

const examples = [
  "What is 12345 * 678? Then look up in the docs how leases are fenced.",
  "Look up in the docs what survives a crash.",
];

/** The runs of one conversation; stays at the end while the reader is there, and only then. */
export function Conversation(props: ConversationProps) {
  const { runs, isSimulated } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const isFollowing = useRef(true);
  const lastTop = useRef(0);
  useEffect(() => {
    const element = scroller.current;
    if (element !== null && isFollowing.current) {
      element.scrollTop = element.scrollHeight;
    }
  }, [runs]);
  const onScroll = () => {
    const element = scroller.current;
    if (element === null) {
      return;
    }
    const leftPx = element.scrollHeight - element.scrollTop - element.clientHeight;
    // Only the reader scrolls upwards: text that arrives faster than the page follows is no reason
    // to stop.
    const isUpwards = element.scrollTop < lastTop.current;
    isFollowing.current = leftPx < followingPx || (isFollowing.current && !isUpwards);
    lastTop.current = element.scrollTop;
  };
  return (
    <div class="conversation" ref={scroller} onScroll={onScroll}>
      <div class="column" role="log" aria-live="polite" aria-label="Conversation">
        {runs.length === 0 && <Empty onExample={props.onExample} />}
        {runs.map((run) => (
          <Run
            key={run.taskId}
            run={run}
            isSimulated={isSimulated}
            onCancel={props.onCancel}
            onOpenTask={props.onOpenTask}
          />
        ))}
      </div>
    </div>
  );
}

function Empty({ onExample }: { onExample: (text: string) => void }) {
  return (
    <div class="empty">
      <h1>What should the agents do?</h1>
      <p class="muted">
        Every task is recorded step by step. Close this page and come back: it goes on without you.
      </p>
      <ul class="examples">
        {examples.map((text) => (
          <li key={text}>
            <button
              type="button"
              class="example"
              data-testid="example"
              onClick={() => onExample(text)}
            >
              {text}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
