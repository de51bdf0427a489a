import { create } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { type Message, MessageSchema, Role, UsageSchema } from "@warmpath/proto/common";
import {
  type GenerateRequest,
  type GenerateResponse,
  GenerateResponseSchema,
  InferenceService,
} from "@warmpath/proto/inference";
import { connectErrorFromWarmpath, encodeWire, textOf } from "@warmpath/runtime";
import { WarmpathError } from "@warmpath/runtime/base";

/** What the scripted model answers to one request. */
export interface ScriptedAnswer {
  readonly text?: string;
  readonly calls?: readonly {
    readonly callId: string;
    readonly name: string;
    readonly args: string;
  }[];
  readonly finishReason?: string;
  /** Fails instead, after sending this much of the text. */
  readonly fault?: { readonly error: WarmpathError; readonly afterText?: string };
  /** Does not answer until the caller goes away. */
  readonly hangs?: boolean;
}

/** Decides an answer from what a model sees. */
export type Script = (request: GenerateRequest, callIndex: number) => ScriptedAnswer;

/** An InferenceService that answers by a script and remembers what it was sent. */
export interface ScriptedModel {
  readonly routes: (router: ConnectRouter) => void;
  /** Every request, in order. */
  readonly requests: GenerateRequest[];
  /** Calls that the caller ended before they were answered. */
  aborted: number;
  script: Script;
}

/** A model for tests: the script is pure, so that a repeated call gets the same answer. */
export function createScriptedModel(script: Script): ScriptedModel {
  const model: ScriptedModel = {
    requests: [],
    aborted: 0,
    script,
    routes(router) {
      router.service(InferenceService, {
        async *generate(request, context) {
          const index = model.requests.length;
          model.requests.push(request);
          yield* answer(model, model.script(request, index), context.signal);
        },
        listModels: () => ({ models: [] }),
        embed() {
          throw connectErrorFromWarmpath(new WarmpathError("rejected-unimplemented", "no vectors"));
        },
      });
    },
  };
  return model;
}

async function* answer(
  model: ScriptedModel,
  scripted: ScriptedAnswer,
  signal: AbortSignal,
): AsyncGenerator<GenerateResponse> {
  const started = { model: "scripted", replica: "test", simulated: true };
  yield responseOf({
    case: "started",
    value: { $typeName: "warmpath.inference.v1.GenerateStarted", ...started },
  });
  if (scripted.hangs) {
    yield responseOf({ case: "textDelta", value: "…" });
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    model.aborted += 1;
    return;
  }
  const { fault, text = "" } = scripted;
  if (fault?.afterText) yield responseOf({ case: "textDelta", value: fault.afterText });
  if (fault) throw fault.error;
  for (const piece of text.match(/[\s\S]{1,4}/g) ?? []) {
    yield responseOf({ case: "textDelta", value: piece });
  }
  const response = create(GenerateResponseSchema, {
    event: {
      case: "finished",
      value: {
        message: messageOfAnswer(scripted),
        finishReason: scripted.finishReason ?? (scripted.calls ? "tool_calls" : "stop"),
        usage: create(UsageSchema, { inputTokens: 10n, outputTokens: 5n, modelCalls: 1n }),
        timeToFirstTokenMs: 1,
        interTokenMs: 1,
        attempts: 1,
      },
    },
  });
  yield response;
}

function responseOf(event: GenerateResponse["event"]): GenerateResponse {
  return create(GenerateResponseSchema, { event });
}

function messageOfAnswer({ text = "", calls = [] }: ScriptedAnswer): Message {
  const parts: Message["parts"] = create(MessageSchema, {
    parts: [
      ...(text === "" ? [] : [{ kind: { case: "text" as const, value: text } }]),
      ...calls.map(({ callId, name, args }) => ({
        kind: { case: "toolCall" as const, value: { callId, name, argumentsJson: args } },
      })),
    ],
  }).parts;
  return encodeWire(create(MessageSchema, { role: Role.ASSISTANT, parts }));
}

/**
 * The results of the tools that the model has been shown, by call id, since the last user message.
 */
export function resultsSeen(request: GenerateRequest): Map<string, string> {
  const results = new Map<string, string>();
  for (const { parts } of request.messages) {
    for (const { kind } of parts) {
      if (kind.case === "toolResult") results.set(kind.value.callId, kind.value.content);
    }
  }
  return results;
}

/** The texts of the user's messages. */
export function userTexts(request: GenerateRequest): string[] {
  return request.messages.filter(({ role }) => role === Role.USER).map(textOf);
}
