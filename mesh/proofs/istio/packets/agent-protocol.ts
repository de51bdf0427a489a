/** What the agent inside a pod is asked, and what it answers: a line of JSON each way. */

/** Something to do from inside a pod. */
export type Order =
  | {
      readonly op: "http";
      readonly url: string;
      readonly method?: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
      readonly timeoutMs?: number;
    }
  | {
      readonly op: "grpc";
      /** `http://service:port`. */
      readonly url: string;
      /** `package.Service/Method`. */
      readonly method: string;
      /** The request, as JSON of the proto message. */
      readonly request?: unknown;
      readonly headers?: Readonly<Record<string, string>>;
      readonly timeoutMs?: number;
      /** A stream is ended by its caller after so many messages; 0: read to its end. */
      readonly messagesMax?: number;
    }
  | {
      /** Calls over one connection of mutual TLS, with somebody's certificate and no sidecar. */
      readonly op: "knock";
      /** `https://address:port`. */
      readonly url: string;
      readonly certificate: string;
      readonly key: string;
      readonly knocks: readonly Knock[];
    }
  | {
      readonly op: "tokens";
      readonly url: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: string;
    }
  | {
      readonly op: "task";
      /** The gateway, `http://service:port`. */
      readonly url: string;
      readonly key: string;
      readonly text: string;
      readonly timeoutMs: number;
    };

/** The header by which a caller asks stub.ts for an answer. */
export const stubHeader = "x-stub";

/** How stub.ts can answer. "late": after metadata; the other failures are nothing else. */
export type StubAnswer =
  | "ok"
  | "unavailable"
  | "unavailable-late"
  | "exhausted"
  | "http-503"
  | "http-429";

/** What Envoy says to whom no policy allows. */
export const denial = "RBAC: access denied";

/** A call of `knock`. */
export interface Knock {
  readonly path: string;
  readonly verb: string;
  readonly isRpc: boolean;
}

/** What came of a `Knock`: whether the server's Envoy let it in, and in which words not. */
export interface Knocked {
  readonly isDenied: boolean;
  readonly text: string;
}

/** The answer to `http`. */
export interface HttpAnswer {
  /** 0: no answer; `text` says why. */
  readonly status: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The answer to `grpc`. */
export interface GrpcAnswer {
  /** "ok", or the code's name as Connect spells it. */
  readonly code: string;
  readonly message: string;
  readonly messages: number;
  /** The last message, as JSON of the proto message; undefined where none came. */
  readonly last: unknown;
  readonly ms: number;
}

/** The answer to `tokens`: a chat completion's stream, as its client saw it. */
export interface TokensAnswer {
  readonly status: number;
  readonly chunks: number;
  readonly text: string;
  /** True when the stream's last line came. */
  readonly isDone: boolean;
  readonly error: string;
  readonly ms: number;
}

/** The answer to `task`: a task that was submitted and watched to its end. */
export interface TaskAnswer {
  readonly taskId: string;
  readonly kinds: readonly string[];
  readonly answer: string;
  /** Watches that ended before the task did and were continued from their cursor. */
  readonly resumed: number;
  /** What broke them. */
  readonly breaks: readonly string[];
  /** Gaps, duplicates, and steps whose text is not what was recorded; empty: whole. */
  readonly faults: readonly string[];
  readonly ms: number;
}

/** A line from the agent. */
export type AgentLine =
  | { readonly ready: true }
  | { readonly id: number; readonly event: string }
  | { readonly id: number; readonly result: unknown };
