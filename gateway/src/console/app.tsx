import { useEffect, useState } from "preact/hooks";
import { Composer } from "./composer.tsx";
import { Conversation } from "./conversation.tsx";
import { KeyGate } from "./key-gate.tsx";
import { isEnded } from "./run-view.ts";
import { ConsoleStore } from "./store.ts";
import { TaskList } from "./task-list.tsx";

const agentsRetryMs = 3_000;

/** The page: a gate until there is a key, then the conversation beside the list of past tasks. */
export function App() {
  const [, redraw] = useState({});
  const [store] = useState(() => new ConsoleStore(() => redraw({})));
  const [isListOpen, setListOpen] = useState(false);
  useEffect(() => void store.refresh(), [store]);
  const isWaitingForAgents = store.state.key !== "" && store.state.agents.length === 0;
  useEffect(() => {
    if (!isWaitingForAgents) {
      return;
    }
    // Workers register within moments of their start; the page need not be reloaded for them.
    const timer = setInterval(() => void store.refresh(), agentsRetryMs);
    return () => clearInterval(timer);
  }, [store, isWaitingForAgents]);
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => event.key === "Escape" && setListOpen(false);
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, []);
  const { state } = store;
  if (state.key === "") {
    return <KeyGate fault={state.keyFault} onKey={(key) => void store.useKey(key)} />;
  }
  const openRun = state.runs.find((run) => !isEnded(run.state));
  const shownId = state.runs.at(-1)?.taskId ?? "";
  return (
    <div class={`layout ${isListOpen ? "list-open" : ""}`}>
      <aside class="sidebar" id="sidebar" aria-label="Past tasks">
        <Brand />
        <button
          type="button"
          class="button wide"
          data-testid="new-conversation"
          onClick={() => {
            store.newConversation();
            setListOpen(false);
          }}
        >
          New conversation
        </button>
        <TaskList
          tasks={state.tasks}
          shownId={shownId}
          onOpen={(task) => {
            setListOpen(false);
            void store.open(task);
          }}
        />
        <button
          type="button"
          class="link"
          data-testid="forget-key"
          onClick={() => store.forgetKey()}
        >
          Use another key
        </button>
      </aside>
      {isListOpen && (
        <button
          type="button"
          class="scrim"
          aria-label="Close the list"
          onClick={() => setListOpen(false)}
        />
      )}
      <main class="main">
        <header class="topbar">
          <button
            type="button"
            class="icon-button menu"
            data-testid="menu-button"
            aria-label="Past tasks"
            aria-controls="sidebar"
            aria-expanded={isListOpen}
            onClick={() => setListOpen(!isListOpen)}
          >
            <MenuIcon />
          </button>
          <span class="topbar-brand">
            <Brand />
          </span>
          <Connection isConnected={state.isConnected} />
        </header>
        <Conversation
          runs={state.runs}
          isSimulated={state.isSimulated}
          onCancel={(taskId) => void store.cancel(taskId)}
          onOpenTask={(taskId) => void store.openById(taskId)}
          onExample={(text) => void store.send(text)}
        />
        {state.fault !== "" && (
          <p class="fault" role="alert" data-testid="fault">
            {state.fault}
          </p>
        )}
        <Composer
          agents={state.agents}
          agent={state.agent}
          isRunning={openRun !== undefined}
          onAgent={(agent) => store.chooseAgent(agent)}
          onSend={(text) => store.send(text)}
          onCancel={() => openRun && void store.cancel(openRun.taskId)}
        />
      </main>
    </div>
  );
}

function Brand() {
  return (
    <span class="brand">
      <img src="/console/icon.svg" alt="" width="24" height="24" />
      Warmpath
    </span>
  );
}

function Connection({ isConnected }: { isConnected: boolean }) {
  return (
    <span
      class={`connection ${isConnected ? "" : "is-lost"}`}
      role="status"
      data-testid="connection"
      data-connected={isConnected}
    >
      {isConnected ? "" : "Connection lost. Resuming…"}
    </span>
  );
}

function MenuIcon() {
  return (
    <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
      <path
        d="M3 6h14M3 10h14M3 14h9"
        stroke="currentColor"
        stroke-width="1.6"
        stroke-linecap="round"
      />
    </svg>
  );
}
