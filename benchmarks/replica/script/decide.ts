import { seededRandom } from "@warmpath/runtime/base";
import type { ChatMessage, ChatRequest, Reply, Tool } from "../types.ts";
import { type CallOutcome, plainAnswer, simulatedLabel, summaryOf } from "./compose-answer.ts";
import { exampleOf, fillArguments } from "./fill-arguments.ts";
import { wantsParallel } from "./intents.ts";
import { type PlannedCall, planCalls } from "./plan-calls.ts";

/** What the script reads of a request. */
export type ScriptRequest = Pick<
  ChatRequest,
  "model" | "messages" | "tools" | "toolChoice" | "responseSchema"
>;

/**
 * Decides the next answer like a small agent: read what the user said since the last answer, plan
 * its calls, make the first that has no result yet, and sum up when all have one. It keeps nothing
 * between requests: the messages are its state, so the same request gets the same reply, on any
 * replica with the same seed.
 */
export function decide(request: ScriptRequest, seed: number, choiceIndex: number): Reply {
  const turn = currentTurn(request.messages);
  const asked = turn
    .filter((message) => message.role === "user")
    .map((message) => message.text)
    .join("\n");
  const random = seededRandom(`${seed}/${choiceIndex}/${asked}`);
  if (request.responseSchema !== undefined) return structuredReply(request, asked);

  const tools = request.toolChoice.kind === "none" ? [] : request.tools;
  const plan = planCalls(asked, tools);
  const outcomes = outcomesOf(turn, plan);
  const forced = forcedCall(request, tools, plan, asked);
  if (forced !== undefined) return { text: "", calls: [forced] };

  const made = new Set(outcomes.map(({ planned }) => planned));
  const left = plan.filter((call) => !made.has(call));
  const next = wantsParallel(asked) ? left : left.slice(0, 1);
  if (next.length > 0) return { text: "", calls: next };
  if (outcomes.length > 0) return { text: summaryOf(outcomes), calls: [] };
  return { text: plainAnswer(request.messages, request.model, random), calls: [] };
}

/**
 * Everything after the last answer that asked for no tool; a user may add to it while tools run.
 */
function currentTurn(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  const answeredAt = messages.findLastIndex(
    (message) => message.role === "assistant" && message.toolCalls.length === 0,
  );
  const turn = messages.slice(answeredAt + 1);
  if (turn.some((message) => message.role === "user")) return turn;
  // A conversation that ends with an answer is asked again for what led to it.
  return messages.slice(messages.findLastIndex((message) => message.role === "user"));
}

/** The call that `tool_choice` demands although the script would not make it, if any. */
function forcedCall(
  request: ScriptRequest,
  tools: readonly Tool[],
  plan: readonly PlannedCall[],
  asked: string,
): { name: string; argumentsJson: string } | undefined {
  const choice = request.toolChoice;
  if (choice.kind === "named") {
    const planned = plan.find((call) => call.name === choice.name);
    const tool = tools.find((offered) => offered.name === choice.name);
    return planned ?? (tool && { name: tool.name, argumentsJson: fillArguments(tool, asked) });
  }
  const first = tools[0];
  if (choice.kind !== "required" || plan.length > 0 || first === undefined) return undefined;
  return { name: first.name, argumentsJson: fillArguments(first, asked) };
}

/** Pairs each call made since the user spoke with its result and with the plan's entry for it. */
function outcomesOf(
  messages: readonly ChatMessage[],
  plan: readonly PlannedCall[],
): readonly CallOutcome[] {
  const results = new Map(
    messages
      .filter((message) => message.role === "tool")
      .map((message) => [message.toolCallId, message.text]),
  );
  const unmatched = [...plan];
  return messages
    .flatMap((message) => message.toolCalls)
    .map((call) => {
      const index = unmatched.findIndex((planned) => isSameCall(planned, call));
      const planned = index === -1 ? undefined : unmatched.splice(index, 1)[0];
      return { call, planned, content: results.get(call.id) ?? "error: the tool gave no result" };
    });
}

function isSameCall(
  planned: PlannedCall,
  call: { readonly name: string; readonly argumentsJson: string },
): boolean {
  if (planned.name !== call.name) return false;
  return withoutSpaces(planned.argumentsJson) === withoutSpaces(call.argumentsJson);
}

function withoutSpaces(text: string): string {
  return text.replace(/\s+/g, "");
}

/**
 * JSON for a caller that demanded JSON; the label sits in the first text that the schema has room
 * for.
 */
function structuredReply(request: ScriptRequest, asked: string): Reply {
  const schema = request.responseSchema ?? {};
  if (Object.keys(schema).length === 0) {
    return { text: JSON.stringify({ simulated: true, answer: asked }), calls: [] };
  }
  const subject = `${simulatedLabel} ${asked}`;
  return { text: JSON.stringify(exampleOf(schema, subject, 0)), calls: [] };
}
