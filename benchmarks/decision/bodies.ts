/*
 * Request bodies of agents at work, of any length. Text is code and prose in turn; how many bytes
 * need an escape decides how fast JSON can be walked over.
 */

/** What a session's messages are made of. */
export interface BodyShape {
  readonly name: string;
  readonly about: string;
  /** Bytes of one message's text, before JSON. */
  readonly messageBytes: number;
  readonly text: "prose" | "code";
}

/** The two ends between which agents' prompts lie. */
export const shapes: readonly BodyShape[] = [
  {
    name: "messages",
    about: "many short messages of prose, as in long conversations",
    messageBytes: 900,
    text: "prose",
  },
  {
    name: "code",
    about: "files of source text: a quote, a line end or a backslash every dozen bytes",
    messageBytes: 6000,
    text: "code",
  },
];

const words =
  "the agent reads a file and then it changes what the test had found to be wrong ".split(" ");
const lines = [
  'const path = join(root, "src", name);',
  'if (kind === "file") return { ok: true, text: "a\\tb" };',
  "\tfor (const [key, value] of entries) {",
  '\t\tlog.info("changed", { key, "new": value });',
  "\t}",
];

/** One session that grows by a turn at a time; other sessions have other text from the start. */
export class AgentSession {
  readonly #shape: BodyShape;
  readonly #messages: string[] = [];
  #seed: number;
  #bytes = 0;

  constructor(shape: BodyShape, seed: number) {
    this.#shape = shape;
    this.#seed = seed * 7919 + 1;
    this.#push({ role: "system", content: `You are agent ${seed}. ${this.#text()}` });
    this.#push({ role: "user", content: this.#text() });
  }

  /** Grows by whole turns until the body has at least so many bytes. */
  growTo(bytes: number): this {
    while (this.#bytes < bytes) this.addTurn();
    return this;
  }

  /** What the model said, and what its tool answered. */
  addTurn(): void {
    const id = `call_${this.#next()}`;
    const tool = { type: "function", id, function: { name: "edit", arguments: '{"path":"a.ts"}' } };
    this.#push({ role: "assistant", content: this.#text(), tool_calls: [tool] });
    this.#push({ role: "tool", tool_call_id: id, content: this.#text() });
  }

  /** The next request, in the order in which OpenAI's clients write it. */
  body(): Uint8Array<ArrayBuffer> {
    const messages = this.#messages.join(",");
    return new TextEncoder().encode(
      `{"messages":[${messages}],"model":"tiny","max_tokens":512,"stream":true,"temperature":0.2}`,
    );
  }

  #push(message: object): void {
    const text = JSON.stringify(message);
    this.#messages.push(text);
    this.#bytes += Buffer.byteLength(text) + 1;
  }

  #text(): string {
    let text = "";
    while (text.length < this.#shape.messageBytes) {
      text +=
        this.#shape.text === "prose"
          ? `${words[this.#next() % words.length]} `
          : `${lines[this.#next() % lines.length]} // ${this.#next() % 1000}\n`;
    }
    return text;
  }

  /** The next number of a linear congruential sequence. */
  #next(): number {
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#seed >>> 8;
  }
}
