import { check, sleep } from "k6";
import exec from "k6/execution";
import { askAgent, connect, disconnect } from "./agent-turn.ts";
import { plan } from "./environment.ts";
import { addSession } from "./metrics.ts";

/** No turn fails and no answer is wrong. */
export const conversationBars = { turn_failures: ["rate==0"], checks: ["rate==1"] };

/** A pause is seldom longer than this. */
const pauseSecondsMax = 5;

/**
 * One session on a connection of its own: say one's name, ask for a product and a look-up (two
 * tools, three model answers), ask for the name again, with skewed pauses between.
 */
export async function converse(tags: () => Readonly<Record<string, string>>): Promise<void> {
  const { iterationInTest } = exec.scenario;
  const threadId = `k6-${exec.vu.idInTest}-${iterationInTest}-${Date.now()}`;
  const name = `Visitor${String(iterationInTest).replace(/\d/g, (digit) => "abcdefghij"[Number(digit)] ?? "")}`;
  const ask = (text: string, turn: "chat" | "tools") =>
    askAgent({
      agent: "assistant",
      threadId,
      text,
      sloClass: turn === "chat" ? "interactive" : "agent",
      tags: { turn, ...tags() },
    });
  connect();
  const startedMs = Date.now();
  try {
    await ask(`Hello, my name is ${name}.`, "chat");
    think();
    const answer = await ask(
      "What is 12345 * 678? Then look up in the docs how leases are fenced.",
      "tools",
    );
    check(answer, { "the tools' result is in the answer": (text) => text.includes("8369910") });
    think();
    const recalled = await ask("What is my name?", "chat");
    check(recalled, { "the conversation was kept": (text) => text.includes(name) });
    addSession(Date.now() - startedMs, "agent");
  } finally {
    disconnect();
  }
}

/** A short, skewed pause: mostly around the mean, seldom several times it. */
function think(): void {
  sleep(Math.min(pauseSecondsMax, -Math.log(1 - Math.random()) * plan.thinkSeconds));
}
