/** One thing that a clause of the user's message asks for. */
export interface Intent {
  readonly kind: "calculate" | "search" | "fetch" | "other";
  /** What the tool gets: an expression, a query, an address, or the clause itself. */
  readonly subject: string;
  /** The clause as the user wrote it. */
  readonly clause: string;
}

const urlPattern = /https?:\/\/[^\s"'<>)\]]+/;
const datePattern = /^\d{4}-\d{1,2}-\d{1,2}$/;
const expressionPattern =
  /[-(\s]*\d[\d.,]*[\s)]*(?:(?:[-+*/^%×÷]|\b(?:plus|minus|times|divided by|multiplied by|x)\b)[\s(]*-?[\s(]*\d[\d.,]*[\s)]*)+/i;
const rootPattern = /\b(?:sqrt|square root)(?:\s+of)?\s*\(?\s*(\d+(?:\.\d+)?)/i;
const searchPattern =
  /\b(look(?:ing)? up|look for|search|find out|find|docs?|documentation|knowledge|research|explain|read about|according to)\b/i;
const questionPattern = /^(how|what|why|which|where|when|who)\b/i;
const greetingPattern = /^(?:hi|hello|hey|thanks?|bye|good (?:morning|day|evening|night))\b/i;
const smallTalkPattern =
  /\b(how are you|who are you|what can you do|what is my|what's my|my name|your name|thank)/i;

/** Cuts a message into clauses and says what each asks for, in the order written. */
export function intentsOf(text: string): readonly Intent[] {
  return clausesOf(text).map(intentOf);
}

/** True for what a person says without wanting anything looked up. */
export function isSmallTalk(clause: string): boolean {
  return (
    greetingPattern.test(clause) || smallTalkPattern.test(clause) || /\bwords?\b/i.test(clause)
  );
}

/** True when the message asks for its parts to be done at once. */
export function wantsParallel(text: string): boolean {
  return /\b(in parallel|at the same time|at once|simultaneously|concurrently)\b/i.test(text);
}

function intentOf(clause: string): Intent {
  const url = urlPattern.exec(clause)?.[0].replace(/[.,;!?]+$/, "");
  if (url !== undefined) return { kind: "fetch", subject: url, clause };
  const expression = expressionOf(clause);
  if (expression !== undefined) return { kind: "calculate", subject: expression, clause };
  if (searchPattern.test(clause)) return { kind: "search", subject: queryOf(clause), clause };
  const isQuestion = questionPattern.test(clause) && !smallTalkPattern.test(clause);
  if (isQuestion) return { kind: "search", subject: queryOf(clause), clause };
  return { kind: "other", subject: clause, clause };
}

function clausesOf(text: string): readonly string[] {
  return text
    .split(/(?<=[?!;])\s+|(?<=[^\d\s]\.)\s+|(?<=\d\.)\s+(?=\p{L})|\n+/u)
    .flatMap((sentence) => sentence.split(/,?\s+(?:and then|then|and also)\s+|;\s*/i))
    .flatMap(splitAtAnd)
    .map((clause) => clause.replace(/^(?:and\s+|also\s+|then\s*,?\s*|please\s+)+/i, "").trim())
    .filter((clause) => /[\p{L}\p{N}]/u.test(clause));
}

/**
 * "A and B" is two clauses when each half asks for something of its own, as in "5 + 5 and look up
 * X".
 */
function splitAtAnd(sentence: string): readonly string[] {
  const halves = sentence.split(/,?\s+and\s+/i);
  const isWhole = (half: string) =>
    expressionOf(half) !== undefined ||
    urlPattern.test(half) ||
    /^(?:look|search|find)\b/i.test(half);
  return halves.length > 1 && halves.every(isWhole) ? halves : [sentence];
}

function expressionOf(clause: string): string | undefined {
  const root = rootPattern.exec(clause)?.[1];
  if (root !== undefined) return `sqrt(${root})`;
  const found = expressionPattern.exec(clause)?.[0];
  if (found === undefined || datePattern.test(found.trim())) return undefined;
  const expression = found
    .replace(/\b(?:times|multiplied by|x)\b|×/gi, "*")
    .replace(/\bdivided by\b|÷/gi, "/")
    .replace(/\bplus\b/gi, "+")
    .replace(/\bminus\b/gi, "-")
    .replace(/(\d),(?=\d{3}\b)/g, "$1")
    .replace(/[.,\s]+$/, "")
    .replace(/\s+/g, " ")
    .trim();
  return balanced(expression);
}

/** Drops the parentheses that the sentence, not the expression, put there. */
function balanced(expression: string): string {
  const opened = expression.split("(").length;
  const closed = expression.split(")").length;
  if (opened > closed) return expression.replace("(", "").trim();
  if (closed > opened) return expression.replace(/\)([^)]*)$/, "$1").trim();
  return expression;
}

/** The words worth searching for: the clause without its request to search. */
function queryOf(clause: string): string {
  const query = clause
    .replace(/^(?:can|could|would) you\s+/i, "")
    .replace(
      /^(?:look(?:ing)? up|look for|search(?: for)?|find out|find|research|explain|read about)\s+/i,
      "",
    )
    .replace(
      /^(?:in|through|from)?\s*(?:the\s+|our\s+|your\s+)?(?:docs?|documentation|knowledge(?: base)?)\b[\s,:]*/i,
      "",
    )
    .replace(
      /\s*\b(?:in|from|according to)\s+(?:the\s+|our\s+)?(?:docs?|documentation|knowledge(?: base)?)\b/i,
      "",
    )
    .replace(/^(?:for|about|on)\s+/i, "")
    .replace(/[?.!\s]+$/, "")
    .trim();
  return query === "" ? clause : query;
}
