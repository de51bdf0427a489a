import { replicaLimits } from "../config.ts";
import type { Tool } from "../types.ts";
import { fillArguments } from "./fill-arguments.ts";
import { type Intent, intentsOf, isSmallTalk } from "./intents.ts";

/** One call that the script means to make. */
export interface PlannedCall {
  readonly name: string;
  readonly argumentsJson: string;
  readonly intent: Intent;
}

const delegatePrefix = "delegate_to_";

/** What a tool for each kind of intent says of itself, in its name or description. */
const skillWords: Readonly<Record<Intent["kind"], RegExp>> = {
  calculate: /calculat|arithmetic|\bmath|comput|number|\bsums?\b/i,
  search: /knowledge|search|\bdocs?\b|document|research|look(?:s|ing)? (?:things )?up|retriev/i,
  fetch: /fetch|http|\burl|web ?page|browse/i,
  other: /(?!)/,
};

/** Words too common to say which tool a clause means. */
const commonWords = new Set(
  "about after answer agent again also and any anything are call can data delegate does find for from get give have how into list look make more name one other please question questions result results run set show some something task tasks tell text that the their them then there they thing things this tool use uses user using want what when where which who will with without work write you your".split(
    " ",
  ),
);

/** The calls that a message asks for, in order, each once. */
export function planCalls(text: string, tools: readonly Tool[]): readonly PlannedCall[] {
  if (tools.length === 0) return [];
  const calls = new Map<string, PlannedCall>();
  for (const intent of intentsOf(text)) {
    const tool = toolFor(intent, tools);
    if (tool === undefined) continue;
    const isDelegate = tool.name.startsWith(delegatePrefix);
    const subject = isDelegate ? intent.clause : intent.subject;
    const argumentsJson = fillArguments(tool, subject);
    calls.set(`${tool.name} ${argumentsJson}`, { name: tool.name, argumentsJson, intent });
    if (calls.size === replicaLimits.callsMax) break;
  }
  return [...calls.values()];
}

/**
 * The tool for an intent: one that was named, then a fitting delegate, then a fitting tool of one's
 * own.
 */
function toolFor(intent: Intent, tools: readonly Tool[]): Tool | undefined {
  const named = tools.find((tool) => mentions(intent.clause, tool.name));
  if (named !== undefined) return named;
  const delegates = tools.filter((tool) => tool.name.startsWith(delegatePrefix));
  const own = tools.filter((tool) => !tool.name.startsWith(delegatePrefix));
  return bestOf(intent, delegates) ?? bestOf(intent, own) ?? onlySkill(intent, tools);
}

/**
 * Who can do nothing but search takes whatever is said to it for a query, unless it is small talk.
 */
function onlySkill(intent: Intent, tools: readonly Tool[]): Tool | undefined {
  const [only] = tools;
  if (tools.length !== 1 || only === undefined || intent.kind !== "other") return undefined;
  return skillWords.search.test(only.name) && !isSmallTalk(intent.clause) ? only : undefined;
}

function bestOf(intent: Intent, tools: readonly Tool[]): Tool | undefined {
  let best: Tool | undefined;
  let bestScore = 0;
  for (const tool of tools) {
    const score = fitness(intent, tool);
    if (score > bestScore) {
      best = tool;
      bestScore = score;
    }
  }
  return best;
}

function fitness(intent: Intent, tool: Tool): number {
  const name = tool.name.replace(delegatePrefix, "").replaceAll("_", " ");
  let score = 0;
  if (skillWords[intent.kind].test(name)) score += 10;
  if (skillWords[intent.kind].test(tool.description)) score += 5;
  const isSkilled = Object.values(skillWords).some((words) => words.test(name));
  // A tool whose name states a skill is not called for a clause that merely shares a word with it.
  if (isSkilled && intent.kind !== "other" && score === 0) return 0;
  const clauseWords = wordsOf(intent.clause);
  for (const word of wordsOf(name)) if (clauseWords.has(word)) score += 4;
  if (tool.name.startsWith(delegatePrefix)) {
    for (const word of wordsOf(tool.description)) if (clauseWords.has(word)) score += 1;
  }
  return score;
}

function wordsOf(text: string): Set<string> {
  const words = text.toLowerCase().match(/\p{L}{3,}/gu) ?? [];
  return new Set(words.filter((word) => !commonWords.has(word)).map(stem));
}

/** Drops the commonest endings, so that "writes", "writing" and "writer" meet. */
function stem(word: string): string {
  return word.replace(/(?:ing|ers?|ed|es|s)$/, "");
}

/** True when the clause spells the tool's name, as in "use get_weather". */
function mentions(clause: string, name: string): boolean {
  return name.includes("_") && clause.toLowerCase().includes(name.toLowerCase());
}
