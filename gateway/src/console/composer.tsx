import type { Agent } from "@warmpath/proto/gateway";
import { useEffect, useRef, useState } from "preact/hooks";

interface ComposerProps {
  readonly agents: readonly Agent[];
  readonly agent: string;
  readonly isRunning: boolean;
  readonly onAgent: (agent: string) => void;
  /** Resolves to true when the message was taken, so that a refused one is not lost. */
  readonly onSend: (text: string) => Promise<boolean>;
  readonly onCancel: () => void;
}

/** Where a message is written. Enter sends, Shift+Enter breaks the line. */
export function Composer(props: ComposerProps) {
  const { agents, agent, isRunning } = props;
  const [text, setText] = useState("");
  const input = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    // On a touch screen focus would bring up the keyboard before anything was read.
    if (matchMedia("(pointer: fine)").matches) {
      input.current?.focus();
    }
  }, []);
  const send = async () => {
    const message = text.trim();
    if (message === "") {
      return;
    }
    setText("");
    if (!(await props.onSend(message))) {
      setText(message);
    }
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // While an input method composes a word, Enter belongs to it.
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      void send();
    }
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <textarea
        ref={input}
        rows={1}
        data-testid="message"
        aria-label="Message"
        placeholder={isRunning ? "Say something to the running task" : `Ask ${agent}`}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      <div class="composer-row">
        <AgentSelect agents={agents} agent={agent} onAgent={props.onAgent} isDisabled={isRunning} />
        <span class="grow" />
        {isRunning && (
          <button type="button" class="button" data-testid="cancel" onClick={props.onCancel}>
            Cancel
          </button>
        )}
        <button
          type="submit"
          class="button primary"
          data-testid="send"
          disabled={text.trim() === ""}
        >
          Send
        </button>
      </div>
    </form>
  );
}

function AgentSelect(props: {
  agents: readonly Agent[];
  agent: string;
  isDisabled: boolean;
  onAgent: (agent: string) => void;
}) {
  const { agents, agent } = props;
  const chosen = agents.find(({ name }) => name === agent);
  return (
    <label class="agent-select">
      <span class="visually-hidden">Agent</span>
      <select
        data-testid="agent"
        value={agent}
        disabled={props.isDisabled || agents.length === 0}
        title={chosen?.description}
        onChange={(event) => props.onAgent(event.currentTarget.value)}
      >
        {agents.length === 0 && <option value={agent}>{agent}</option>}
        {agents.map(({ name }) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
