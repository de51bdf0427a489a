import { useState } from "preact/hooks";

/** Asks for the key, once; says why when one was refused. */
export function KeyGate({ fault, onKey }: { fault: string; onKey: (key: string) => void }) {
  const [key, setKey] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    if (key.trim() !== "") {
      onKey(key.trim());
    }
  };
  return (
    <main class="gate">
      <form class="gate-card" data-testid="key-form" onSubmit={submit}>
        <img src="/console/icon.svg" alt="" width="40" height="40" />
        <h1>Warmpath</h1>
        <p class="muted">
          Enter an API key to talk to the agents. It stays in this browser and is sent only to this
          gateway.
        </p>
        <label for="key">API key</label>
        <input
          id="key"
          type="password"
          data-testid="key-input"
          autocomplete="current-password"
          aria-invalid={fault !== ""}
          aria-describedby="key-fault"
          value={key}
          onInput={(event) => setKey(event.currentTarget.value)}
        />
        <p id="key-fault" class="fault" role="alert" data-testid="key-error" hidden={fault === ""}>
          {fault}
        </p>
        <button type="submit" class="button primary wide" data-testid="key-submit">
          Continue
        </button>
        <p class="hint">
          <code>npm start</code> prints a development key, and a link that enters it for you.
        </p>
      </form>
    </main>
  );
}
