/*
 * The neutral shape in the middle of every translation. Each format has a reader into it and a
 * writer out of it, so that a new format costs one folder and not one more file for every other.
 */

/** The APIs that clients speak. */
export type ClientFormat = "chat" | "messages" | "responses";

/** The APIs that upstreams speak. */
export type Format = ClientFormat | "gemini";

/** A JSON object whose members nobody has looked at yet. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Where the bytes of an image or a document are. */
export type MediaSource =
  | { readonly kind: "url"; readonly url: string }
  | { readonly kind: "base64"; readonly mediaType: string; readonly data: string }
  /** An id of the provider's own file store. */
  | { readonly kind: "id"; readonly id: string };

/**
 * A provider's proof that something is its own: a signature of thinking, or thinking that only it
 * can read. Worthless to every other provider, which would refuse it.
 */
export interface Seal {
  readonly origin: Format;
  readonly data: string;
}

/** What an input may carry beside its content. */
interface Marked {
  /** Anthropic's `cache_control`, as the client wrote it. */
  readonly cache?: JsonObject | undefined;
}

export interface TextPart extends Marked {
  readonly kind: "text";
  readonly text: string;
}

export interface MediaPart extends Marked {
  readonly kind: "image" | "file";
  readonly source: MediaSource;
  /** OpenAI's `detail` of an image. */
  readonly detail?: string | undefined;
  /** Of a file. */
  readonly name?: string | undefined;
}

export interface ToolCallPart extends Marked {
  readonly kind: "tool-call";
  /** May carry a seal of Gemini's: see `tool-ids.ts`. */
  readonly id: string;
  readonly name: string;
  /** JSON text, exactly as the model wrote it where the format keeps it so. */
  readonly argumentsJson: string;
}

export interface ToolResultPart extends Marked {
  readonly kind: "tool-result";
  readonly callId: string;
  readonly content: readonly (TextPart | MediaPart)[];
  readonly isError: boolean;
}

export interface ThinkingPart {
  readonly kind: "thinking";
  readonly text: string;
  /** Without one it cannot be sent back. */
  readonly seal?: Seal | undefined;
}

/** Thought that only its provider can read. */
export interface SealedThinkingPart {
  readonly kind: "sealed-thinking";
  readonly seal: Seal;
}

/** The model's own words of why it does not answer. */
export interface RefusalPart {
  readonly kind: "refusal";
  readonly text: string;
}

export type Part =
  | TextPart
  | MediaPart
  | ToolCallPart
  | ToolResultPart
  | ThinkingPart
  | SealedThinkingPart
  | RefusalPart;

/** One message of a conversation. */
export interface Turn {
  /** A system turn may stand anywhere; formats that know only one place put all of them there. */
  readonly role: "system" | "user" | "assistant";
  readonly parts: readonly Part[];
}

/** A function that the model may call. */
export interface ToolDefinition extends Marked {
  readonly name: string;
  readonly description: string | undefined;
  /** JSON schema of its arguments. */
  readonly schema: unknown;
  /** Undefined where the client does not say. */
  readonly isStrict: boolean | undefined;
}

export type ToolChoice =
  | { readonly kind: "auto" | "none" | "required" }
  | { readonly kind: "tool"; readonly name: string };

/** How much the model is to think before it answers. */
export interface Reasoning {
  readonly isOn: boolean;
  /** `minimal`, `low`, `medium`, `high`, …; undefined: the model's own. */
  readonly effort?: string | undefined;
  readonly budgetTokens?: number | undefined;
  /** How much of it is shown: OpenAI's `summary`, Anthropic's `display`. */
  readonly shown?: string | undefined;
}

/** The form that the answer must have. */
export type AnswerForm =
  | { readonly kind: "json" }
  | {
      readonly kind: "schema";
      readonly name: string | undefined;
      readonly schema: unknown;
      readonly isStrict: boolean | undefined;
    };

/** A request in no format. What is undefined was not said, and the target's default holds. */
export interface NeutralRequest {
  readonly model: string | undefined;
  readonly isStream: boolean;
  readonly turns: readonly Turn[];
  /** True when the last turn is the beginning of the answer, as Anthropic's API lets it be. */
  readonly continuesLast: boolean;
  readonly tools: readonly ToolDefinition[];
  readonly toolChoice: ToolChoice | undefined;
  readonly allowsParallelCalls: boolean | undefined;
  readonly answerTokensMax: number | undefined;
  readonly temperature: number | undefined;
  readonly topP: number | undefined;
  readonly topK: number | undefined;
  readonly stops: readonly string[];
  readonly reasoning: Reasoning | undefined;
  readonly form: AnswerForm | undefined;
  /** Whom the provider may hold responsible: OpenAI's `user`, Anthropic's `metadata.user_id`. */
  readonly user: string | undefined;
  /**
   * Members that the neutral shape has no word for, under the source's names. The writer decides
   * about each: it may hold it, it may know that leaving it out changes nothing, else it refuses.
   */
  readonly extra: JsonObject;
}

/** Why an answer ended. */
export type Finish =
  | { readonly kind: "stop" | "length" | "tool-calls" | "refusal" | "pause" }
  | { readonly kind: "stop-sequence"; readonly sequence: string | undefined };

/** Tokens of one answer; every count includes the ones that are told apart from it. */
export interface Usage {
  /** Prompt tokens, those read from and written to a cache included. */
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  readonly cacheWriteTokens: number;
  /** Answer tokens, those of thinking included. */
  readonly outputTokens: number;
  readonly reasoningTokens: number;
}

/** A whole answer in no format. */
export interface NeutralAnswer {
  readonly id: string;
  readonly model: string;
  readonly parts: readonly Part[];
  readonly finish: Finish;
  readonly usage: Usage | undefined;
}

/** What the stream of an answer tells, in order; parts do not overlap. */
export type AnswerEvent =
  | { readonly kind: "start"; readonly id: string; readonly model: string }
  /** A part begins; what it holds already is complete, the rest comes as deltas. */
  | { readonly kind: "open"; readonly part: OpenPart }
  /** More of the open part: text, thinking, refusal, or the JSON of a tool call's arguments. */
  | { readonly kind: "delta"; readonly text: string }
  /** The open part's proof; at most once. */
  | { readonly kind: "seal"; readonly seal: Seal }
  | { readonly kind: "close" }
  | { readonly kind: "usage"; readonly usage: Usage }
  | { readonly kind: "finish"; readonly finish: Finish }
  /** The upstream said that the stream is complete. */
  | { readonly kind: "end" }
  | { readonly kind: "error"; readonly error: StreamError };

/** The beginning of a part. */
export type OpenPart =
  | { readonly kind: "text" | "thinking" | "refusal" }
  | { readonly kind: "tool-call"; readonly id: string; readonly name: string }
  | SealedThinkingPart;

/** What an upstream said when it failed in the middle of an answer. */
export interface StreamError {
  readonly message: string;
  /** In the upstream's own words. */
  readonly type: string | undefined;
  readonly code: string | undefined;
}

/** Reads the events of one stream. */
export interface StreamReader {
  /** `data` of one server-sent event; throws `failed-upstream-protocol` for what cannot be. */
  read(data: string): readonly AnswerEvent[];
  /** What is left to say when the bytes end. */
  end(): readonly AnswerEvent[];
}

/** Writes one stream. */
export interface StreamWriter {
  /** Server-sent events; empty while there is nothing to say yet. */
  write(event: AnswerEvent): string;
}

/** What is known of the server that a request is written for. */
export interface WriteTarget {
  /**
   * True for engines such as vLLM, which ignore members that they do not know; hosted providers
   * refuse them, so what is only a hint is left out for those.
   */
  readonly ignoresUnknown: boolean;
  /**
   * True where a prompt is cached only if it is marked, and whoever asks pays for it: Anthropic.
   * Conversations of clients that know no marks then get one of ours.
   */
  readonly cachesOnlyMarked?: boolean | undefined;
}

/** What it takes to talk to an upstream of one format. */
export interface UpstreamCodec {
  writeRequest(request: NeutralRequest, target: WriteTarget): JsonObject;
  readAnswer(body: JsonObject): NeutralAnswer;
  createReader(): StreamReader;
}

/** What it takes to talk to a client of one format. */
export interface ClientCodec {
  readRequest(body: JsonObject): NeutralRequest;
  writeAnswer(answer: NeutralAnswer): JsonObject;
  createWriter(): StreamWriter;
}
