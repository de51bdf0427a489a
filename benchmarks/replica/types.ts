/** A JSON object whose members have not been looked at yet. */
export type JsonObject = { readonly [key: string]: unknown };

/** One message of a conversation, reduced to what the script and the chat template read. */
export interface ChatMessage {
  readonly role: string;
  readonly text: string;
  readonly toolCalls: readonly ToolCall[];
  readonly toolCallId: string | undefined;
}

/** A call the model asked for. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly argumentsJson: string;
}

/** A function that the request offers. */
export interface Tool {
  readonly name: string;
  readonly description: string;
  readonly parameters: JsonObject;
}

/** What the caller asked about calling: as the API says it, with `named` for one function. */
export type ToolChoice =
  | { readonly kind: "auto" | "required" | "none" }
  | { readonly kind: "named"; readonly name: string };

/** What a script decided to say: text, calls, or both. */
export interface Reply {
  readonly text: string;
  readonly calls: readonly { readonly name: string; readonly argumentsJson: string }[];
}

/** Fields that chat and completion requests share. */
export interface SamplingRequest {
  readonly model: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly continuousUsage: boolean;
  /** Most tokens to answer with; undefined: up to the context length. */
  readonly maxTokens: number | undefined;
  readonly n: number;
  /** Shown by the render endpoints; it changes no answer. */
  readonly temperature: number;
  readonly stop: readonly string[];
  readonly cacheSalt: string | undefined;
  readonly ignoreEos: boolean;
  readonly returnTokenIds: boolean;
  /** What the answer's id is made of. */
  readonly requestId: string;
  readonly sessionId: string | undefined;
  /** Lower is more urgent. */
  readonly priority: number;
  /** Alternatives to name beside each token; undefined: no log probabilities at all. */
  readonly logprobs: number | undefined;
}

/** A checked chat request. */
export interface ChatRequest extends SamplingRequest {
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly Tool[];
  readonly toolChoice: ToolChoice;
  readonly responseSchema: JsonObject | undefined;
}

/** A checked completion request: each prompt as token ids. */
export interface CompletionRequest extends SamplingRequest {
  readonly prompts: readonly { readonly tokens: readonly number[]; readonly text: string }[];
}
