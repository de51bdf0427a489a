import { sleep } from "k6";
import { Counter } from "k6/metrics";
import { addFailure, addSession, addTurn } from "./metrics.ts";
import type { PlannedSession } from "./plan.ts";
import { textOf } from "./text.ts";
import type { CallModel, ChatMessage, ModelCall } from "./transports/call-model.ts";

/** Turns whose client left in the middle, as planned. */
const abandonedTurns = new Counter("abandoned_turns");
const callTimeoutMs = 60_000;

/** Who plays. `tags` is asked before each turn. */
export interface Player {
  readonly callModel: CallModel;
  readonly key: string;
  readonly lane: ModelCall["lane"];
  readonly gapMsMax: number;
  readonly tags?: () => Readonly<Record<string, string>>;
}

/**
 * Plays one session against the inference proxy, turn after turn, each prompt continuing with the
 * answer that was really given. A session whose turn fails ends there.
 */
export async function playSession(
  session: PlannedSession,
  sessionId: string,
  player: Player,
): Promise<void> {
  const startedMs = Date.now();
  let messages: ChatMessage[] = [];
  for (const turn of session.turns) {
    sleep(Math.min(turn.gapBeforeMs, player.gapMsMax) / 1000);
    if (turn.isWhole) messages = [];
    messages.push(...freshMessages(turn.fresh, messages.length === 0));
    const tags = player.tags?.() ?? {};
    const answer = await player.callModel({
      key: player.key,
      sessionId,
      lane: player.lane,
      messages,
      outputTokens: turn.outputTokens,
      leaveAfterEvents: turn.leaveAfterEvents,
      timeoutMs: callTimeoutMs,
    });
    if ("fault" in answer) {
      addFailure(`${session.id}: ${answer.fault}`, session.sloClass, tags);
      return;
    }
    if (turn.leaveAfterEvents > 0) {
      abandonedTurns.add(1);
      return;
    }
    addTurn({ sloClass: session.sloClass, ...answer, tags });
    messages.push({ role: "assistant", content: answer.text });
  }
  addSession(Date.now() - startedMs, session.sloClass);
}

/** All but the last run of a first prompt is the system's: tools, rules, documents. */
function freshMessages(
  fresh: PlannedSession["turns"][number]["fresh"],
  isFirst: boolean,
): ChatMessage[] {
  return fresh.map(([content, tokens], index) => ({
    role: isFirst && index < fresh.length - 1 ? "system" : "user",
    content: textOf(content, tokens),
  }));
}
