/**
 * What a query asks for, as far as names and labels go. Operators are read from left to right:
 * which of them binds tighter decides what is computed, not which names there are.
 */
export type Query =
  | { readonly kind: "number" }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "select"; readonly metric: string; readonly matchers: readonly Matcher[] }
  | { readonly kind: "call"; readonly name: string; readonly args: readonly Query[] }
  | {
      readonly kind: "aggregate";
      readonly name: string;
      /** Undefined where all labels go. */
      readonly grouping: Grouping | undefined;
      readonly args: readonly Query[];
    }
  | {
      readonly kind: "binary";
      readonly operator: string;
      readonly left: Query;
      readonly right: Query;
      readonly matching: Grouping | undefined;
      /** The side whose labels stay, where one side has more series. */
      readonly many: "left" | "right" | undefined;
    };

/** A condition on a label. */
export interface Matcher {
  readonly label: string;
  readonly operator: string;
  readonly value: string;
}

/** `by (…)`, `on (…)`: these labels; `without (…)`, `ignoring (…)`: all but these. */
export interface Grouping {
  readonly isOnly: boolean;
  readonly labels: readonly string[];
}

const aggregates = new Set([
  ...["sum", "min", "max", "avg", "count", "group", "stddev", "stdvar"],
  ...["topk", "bottomk", "quantile", "count_values"],
]);
const binaryOperators = new Set([
  ...["+", "-", "*", "/", "%", "^", "==", "!=", ">=", "<=", ">", "<", "and", "or", "unless"],
]);
const token =
  /\s+|#[^\n]*|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\d[\d.]*(?:e[+-]?\d+|[a-z]\w*)?|[A-Za-z_:][\w:]*|=~|!~|==|!=|>=|<=|[-+*/%^=<>(){}[\],@])/gy;

/** Reads a query; throws on what is none. */
export function parseQuery(text: string): Query {
  const reader = new Reader(text);
  const query = readBinary(reader);
  if (reader.peek() !== undefined) throw reader.fault("the end");
  return query;
}

class Reader {
  private at = 0;
  private readonly tokens: readonly string[];
  private readonly text: string;

  constructor(text: string) {
    this.tokens = tokensOf(text);
    this.text = text;
  }

  peek(): string | undefined {
    return this.tokens[this.at];
  }

  next(): string {
    const found = this.tokens[this.at];
    if (found === undefined) throw this.fault("more");
    this.at += 1;
    return found;
  }

  take(wanted: string): boolean {
    if (this.peek() !== wanted) return false;
    this.at += 1;
    return true;
  }

  need(wanted: string): void {
    if (!this.take(wanted)) throw this.fault(wanted);
  }

  fault(wanted: string): Error {
    return new Error(`expected ${wanted} at "${this.peek() ?? "the end"}" of ${this.text}`);
  }
}

function tokensOf(text: string): readonly string[] {
  const found: string[] = [];
  let at = 0;
  while (at < text.length) {
    token.lastIndex = at;
    const match = token.exec(text);
    if (match === null) throw new Error(`cannot read "${text.slice(at, at + 20)}" of ${text}`);
    if (match[1] !== undefined) found.push(match[1]);
    at = token.lastIndex;
  }
  return found;
}

function readBinary(reader: Reader): Query {
  let left = readUnary(reader);
  for (;;) {
    const operator = reader.peek();
    if (operator === undefined || !binaryOperators.has(operator)) return left;
    reader.next();
    reader.take("bool");
    const matching = readGrouping(reader, "on", "ignoring");
    const many = readMany(reader);
    left = { kind: "binary", operator, left, right: readUnary(reader), matching, many };
  }
}

function readMany(reader: Reader): "left" | "right" | undefined {
  for (const side of ["left", "right"] as const) {
    if (reader.take(`group_${side}`)) {
      if (reader.peek() === "(") readNames(reader);
      return side;
    }
  }
  return undefined;
}

function readUnary(reader: Reader): Query {
  if (reader.take("-") || reader.take("+")) return readUnary(reader);
  const query = readPrimary(reader);
  readModifiers(reader);
  return query;
}

/** Ranges, subqueries and shifts in time: none has a name in it. */
function readModifiers(reader: Reader): void {
  for (;;) {
    if (reader.take("[")) {
      while (!reader.take("]")) reader.next();
    } else if (reader.take("offset") || reader.take("@")) {
      reader.take("-");
      reader.next();
    } else {
      return;
    }
  }
}

function readPrimary(reader: Reader): Query {
  if (reader.take("(")) {
    const query = readBinary(reader);
    reader.need(")");
    return query;
  }
  if (reader.peek() === "{") return readSelector(reader, "");
  const word = reader.next();
  if (/^["']/.test(word)) return { kind: "text", text: word.slice(1, -1) };
  if (/^\d/.test(word)) return { kind: "number" };
  if (aggregates.has(word)) return readAggregate(reader, word);
  if (reader.peek() === "(") return { kind: "call", name: word, args: readArguments(reader) };
  return readSelector(reader, word);
}

function readAggregate(reader: Reader, name: string): Query {
  const before = readGrouping(reader, "by", "without");
  const args = readArguments(reader);
  const grouping = before ?? readGrouping(reader, "by", "without");
  return { kind: "aggregate", name, grouping, args };
}

function readGrouping(reader: Reader, only: string, except: string): Grouping | undefined {
  if (reader.take(only)) return { isOnly: true, labels: readNames(reader) };
  if (reader.take(except)) return { isOnly: false, labels: readNames(reader) };
  return undefined;
}

function readNames(reader: Reader): readonly string[] {
  const names: string[] = [];
  reader.need("(");
  while (!reader.take(")")) {
    names.push(reader.next());
    reader.take(",");
  }
  return names;
}

function readArguments(reader: Reader): readonly Query[] {
  const args: Query[] = [];
  reader.need("(");
  while (!reader.take(")")) {
    args.push(readBinary(reader));
    reader.take(",");
  }
  return args;
}

function readSelector(reader: Reader, metric: string): Query {
  const matchers: Matcher[] = [];
  if (reader.take("{")) {
    while (!reader.take("}")) {
      const label = reader.next();
      const operator = reader.next();
      matchers.push({ label, operator, value: reader.next().slice(1, -1) });
      reader.take(",");
    }
  }
  if (metric === "") throw reader.fault("the name of a metric before the braces");
  return { kind: "select", metric, matchers };
}
