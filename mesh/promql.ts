/*
 * As much of PromQL as our queries use: enough to say how many series a query can give, and which
 * metrics and labels it reads. What is not understood is refused, so that nothing passes unread.
 */

/** What a query reads, and what is left of its labels. */
export interface QueryFacts {
  /**
   * Labels by which the result may still come in several series; "any" where nothing was
   * aggregated. None: one series at most.
   */
  readonly labels: ReadonlySet<string> | "any" | "scalar";
  readonly metrics: readonly string[];
  /** Labels of selectors and of aggregations. */
  readonly used: readonly string[];
}

/** Reads a query. Throws for what is none, or is beyond this reader. */
export function readQuery(query: string): QueryFacts {
  const reader = new Reader(tokensOf(query));
  const labels = reader.expression();
  reader.end();
  return { labels, metrics: [...reader.metrics], used: [...reader.used] };
}

const aggregations = new Set(["sum", "max", "min", "avg", "count"]);
/** Of a vector, for each series of it. */
const functions = new Set(["rate", "increase", "irate", "clamp_min", "clamp_max", "abs"]);
const operators = new Set(["+", "-", "*", "/", ">=", "<=", ">", "<", "==", "!="]);
const setOperators = new Set(["or", "and", "unless"]);
const tokenForm =
  /\s*(?:("(?:[^"\\]|\\.)*")|(\[[0-9]+[smhd]\])|([0-9]+(?:\.[0-9]+)?)|([A-Za-z_:][\w:]*)|(=~|!~|!=|>=|<=|==|[-+*/(){},=<>]))/y;

function tokensOf(query: string): readonly string[] {
  const tokens: string[] = [];
  let at = 0;
  while (query.slice(at).trim() !== "") {
    tokenForm.lastIndex = at;
    const found = tokenForm.exec(query);
    if (found === null) {
      throw new Error(`not understood from ${JSON.stringify(query.slice(at))}`);
    }
    tokens.push(found[0].trim());
    at = tokenForm.lastIndex;
  }
  return tokens;
}

type Labels = QueryFacts["labels"];

class Reader {
  readonly metrics = new Set<string>();
  readonly used = new Set<string>();
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  end(): void {
    if (this.#at < this.#tokens.length) {
      throw new Error(`not understood from ${JSON.stringify(this.#peek())}`);
    }
  }

  /** Operators are read from left to right: what counts here is only what they join. */
  expression(): Labels {
    let left = this.#term();
    for (;;) {
      const operator = this.#peek();
      if (!operators.has(operator) && !setOperators.has(operator)) {
        return left;
      }
      this.#at += 1;
      left = joined(left, this.#term(), setOperators.has(operator));
    }
  }

  #term(): Labels {
    const token = this.#next();
    if (token === "(") {
      const inner = this.expression();
      this.#expect(")");
      return inner;
    }
    if (/^[0-9]/.test(token)) {
      return "scalar";
    }
    if (aggregations.has(token)) {
      const by = this.#by();
      this.#expect("(");
      this.expression();
      this.#expect(")");
      return by;
    }
    if (token === "histogram_quantile") {
      this.#expect("(");
      this.expression();
      this.#expect(",");
      const buckets = this.expression();
      this.#expect(")");
      return buckets === "any" || buckets === "scalar"
        ? buckets
        : new Set([...buckets].filter((label) => label !== "le"));
    }
    if (functions.has(token) && this.#peek() === "(") {
      this.#expect("(");
      const inner = this.expression();
      while (this.#peek() === ",") {
        this.#at += 1;
        this.expression();
      }
      this.#expect(")");
      return inner;
    }
    return this.#selector(token);
  }

  #by(): Labels {
    const labels = new Set<string>();
    if (this.#peek() !== "by") {
      return labels;
    }
    this.#at += 1;
    this.#expect("(");
    while (this.#peek() !== ")") {
      const label = this.#next();
      if (label !== ",") {
        labels.add(label);
        this.used.add(label);
      }
    }
    this.#expect(")");
    return labels;
  }

  #selector(name: string): Labels {
    if (!/^[A-Za-z_:]/.test(name) || this.#peek() === "(") {
      throw new Error(`not understood: ${JSON.stringify(name)}`);
    }
    this.metrics.add(name);
    if (this.#peek() === "{") {
      this.#at += 1;
      while (this.#peek() !== "}") {
        this.used.add(this.#next());
        this.#next();
        this.#next();
        if (this.#peek() === ",") {
          this.#at += 1;
        }
      }
      this.#expect("}");
    }
    if (this.#peek().startsWith("[")) {
      this.#at += 1;
    }
    return "any";
  }

  #peek(): string {
    return this.#tokens[this.#at] ?? "";
  }

  #next(): string {
    const token = this.#tokens[this.#at];
    if (token === undefined) {
      throw new Error("it ends too early");
    }
    this.#at += 1;
    return token;
  }

  #expect(token: string): void {
    const found = this.#next();
    if (found !== token) {
      throw new Error(`${JSON.stringify(token)} is missing before ${JSON.stringify(found)}`);
    }
  }
}

function joined(left: Labels, right: Labels, isSet: boolean): Labels {
  if (left === "any" || right === "any") {
    return "any";
  }
  if (left === "scalar" || right === "scalar") {
    const vector = left === "scalar" ? right : left;
    if (isSet) {
      throw new Error("or, and and unless join vectors");
    }
    return vector;
  }
  return new Set([...left, ...right]);
}
