import type { Random } from "@warmpath/runtime/base";
import { replicaLimits } from "../config.ts";
import type { ChatMessage } from "../types.ts";
import type { PlannedCall } from "./plan-calls.ts";
import { nothingFound, quoteOf } from "./quote-result.ts";

/** Starts every text that this replica makes up, wherever it is shown. */
export const simulatedLabel = "[simulated]";

/** A call that was made, and what came back. */
export interface CallOutcome {
  readonly call: { readonly name: string; readonly argumentsJson: string };
  readonly planned: PlannedCall | undefined;
  readonly content: string;
}

/** Sums up what the tools answered; failures are told as failures. */
export function summaryOf(outcomes: readonly CallOutcome[]): string {
  return `${simulatedLabel} ${outcomes.map(sentenceOf).join(" ")}`;
}

/** Answers a message that needed no tool. */
export function plainAnswer(
  messages: readonly ChatMessage[],
  model: string,
  random: Random,
): string {
  const said = messages.filter((message) => message.role === "user").map((message) => message.text);
  const text = said.at(-1) ?? "";
  const words = wordCountAsked(text);
  if (words !== undefined) return proseOf(words, random);
  const recalled = recall(text, said.slice(0, -1));
  if (recalled !== undefined) return `${simulatedLabel} ${recalled}`;
  const greeting = pickFrom(["Hello!", "Hi there.", "Good to hear from you.", "Welcome."], random);
  const place = said.length > 1 ? ` This is message ${said.length} of our conversation.` : "";
  return (
    `${simulatedLabel} ${greeting}${place} You said: “${clip(text, 160)}” I am ${model}, a script that stands in ` +
    "for a language model: I do arithmetic, look things up and delegate when I am given tools for it."
  );
}

function sentenceOf({ call, planned, content }: CallOutcome): string {
  const quote = quoteOf(content);
  const isDelegate = call.name.startsWith("delegate_to_");
  if (isDelegate && /^The delegated task (?:failed|was cancelled)/.test(content)) {
    return `${agentName(call.name)} did not answer: ${quote.text}`;
  }
  // A delegate answers in sentences of its own, which may speak of failures without being one.
  if (quote.failed && !isDelegate)
    return `The tool ${call.name} failed: ${quote.text.replace(/[.\s]+$/, "")}.`;
  const said = quote.text.replaceAll(simulatedLabel, "").trim();
  const source = quote.source === undefined ? "" : ` (${quote.source})`;
  switch (planned?.intent.kind) {
    case "calculate":
      return isDelegate
        ? `${agentName(call.name)} reports: ${said}`
        : `${planned.intent.subject} = ${said.replace(/^.*=\s*/, "")}.`;
    case "search":
      if (isDelegate) return `${agentName(call.name)} reports: ${said}`;
      if (said === nothingFound) return `On “${planned.intent.subject}” nothing was found.`;
      return `On “${planned.intent.subject}” the documents say${source}: “${said}”`;
    case "fetch":
      return `${planned.intent.subject} answered: “${said}”`;
    default:
      return isDelegate
        ? `${agentName(call.name)} reports: ${said}`
        : `${call.name} answered${source}: ${said}`;
  }
}

function agentName(toolName: string): string {
  return toolName.replace("delegate_to_", "");
}

/** "write 300 words", "in 50 words", "a long answer": how many words are wanted. */
function wordCountAsked(text: string): number | undefined {
  const asked = /(\d[\d,]*)[- ]?words?\b/i.exec(text)?.[1];
  if (asked !== undefined) {
    return Math.min(replicaLimits.proseWordsMax, Math.max(1, Number(asked.replaceAll(",", ""))));
  }
  return /\b(long (?:answer|story|text|essay)|at length|in great detail)\b/i.test(text)
    ? 400
    : undefined;
}

/** What was said earlier, for the two things people try first. */
function recall(text: string, earlier: readonly string[]): string | undefined {
  if (/\b(?:what is|what's|do you (?:know|remember)) my name\b/i.test(text)) {
    const names = earlier.map((said) => /\bmy name is (\p{L}[\p{L}'-]*)/iu.exec(said)?.[1]);
    const name = names.findLast((found) => found !== undefined);
    return name === undefined ? "You have not told me your name." : `Your name is ${name}.`;
  }
  if (/\bwhat did I (?:just )?(?:say|ask|tell you)\b/i.test(text)) {
    const last = earlier.at(-1);
    return last === undefined ? "This is your first message." : `You said: “${clip(last, 160)}”`;
  }
  return undefined;
}

const subjects =
  "the proxy|a warm replica|the worker|an event log|the gateway|a leased task|the cache|one tenant|the queue|a long prompt".split(
    "|",
  );
const verbs = "keeps|reads|records|sends|waits for|follows|counts|returns|shares|checks".split("|");
const objects =
  "the next block|every token|a fenced lease|the same prefix|its own budget|an honest answer|the last event|a shorter queue|the slower path|what was promised".split(
    "|",
  );

/** Prose of exactly so many words, label included, made of plain sentences. */
export function proseOf(wordCount: number, random: Random): string {
  const words = [simulatedLabel];
  while (words.length < wordCount) {
    const sentence = `${pickFrom(subjects, random)} ${pickFrom(verbs, random)} ${pickFrom(objects, random)}.`;
    words.push(...`${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}`.split(" "));
  }
  return words.slice(0, wordCount).join(" ");
}

function pickFrom(choices: readonly string[], random: Random): string {
  return choices[Math.floor(random.next() * choices.length)] ?? "";
}

function clip(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : `${text.slice(0, charsMax)} …`;
}
