import type { AnswerFaults } from "../faults/fault-state.ts";
import type { HttpReply, ReplyBody } from "../http/types.ts";
import { admit } from "../serve/admission.ts";
import type { SamplingRequest } from "../types.ts";
import { type Call, json, rescue } from "./call.ts";
import { ChoiceRuns } from "./choice-runs.ts";
import { type ApiError, busy } from "./errors.ts";
import type { Generated } from "./generate.ts";
import type { Counts } from "./usage.ts";

/** One alternative answer. */
export interface Choice {
  readonly index: number;
  readonly prompt: readonly number[];
  readonly generated: Generated;
}

/** A request whose answer is known; what the API makes of it is up to `whole` and `stream`. */
export interface Exchange {
  readonly request: Pick<
    SamplingRequest,
    "stream" | "cacheSalt" | "sessionId" | "priority" | "maxTokens" | "n"
  >;
  readonly choices: readonly Choice[];
  /** Tokens of the prompts, each counted once. */
  readonly promptTokens: number;
  /** The body of an answer that is sent whole. */
  whole(counts: Counts): unknown;
  /** The events of an answer that is streamed. */
  stream(): StreamShape;
  /** The body of a refusal, where the API has its own form. */
  error?(error: ApiError): unknown;
}

/** The server-sent events of one stream; every text is one whole event or several. */
export interface StreamShape {
  /** Sent with the head. */
  opening(): readonly string[];
  /** The tokens `from` to `to` of the choice at `at`; `counts` include them. */
  tokens(at: number, from: number, to: number, counts: Counts): readonly string[];
  /** Sent after the last token. */
  closing(counts: Counts): readonly string[];
  /** Sent instead of what is left. */
  error(error: ApiError): readonly string[];
}

/** Generates the answer to a checked request and sends it, in one piece or as it comes. */
export async function answer(exchange: Exchange, call: Call): Promise<HttpReply> {
  const { context } = call;
  if (context.goingDown !== undefined) throw context.goingDown;
  const refusal = context.faults.refusal();
  if (refusal !== undefined) throw refusal;
  const decision = admit(exchange.choices.length, {
    load: context.engine.load,
    arrived: context.engine.arrived,
    backlogTokens: context.engine.backlogTokens(),
    sequencesMax: context.config.maxNumQueuedReqs,
    backlogTokensMax: context.config.maxNumQueuedTokens,
  });
  if (decision !== "admitted") context.metrics.onRejected();
  if (decision === "refused") throw busy();
  const faults = context.faults.drawAnswer();
  if (exchange.request.stream) return streamed(exchange, call, faults, decision === "admitted");
  if (decision === "refused-late") throw busy();
  return whole(exchange, call, faults);
}

function whole(exchange: Exchange, call: Call, faults: AnswerFaults): Promise<HttpReply> {
  return new Promise((resolve) => {
    const runs = new ChoiceRuns(exchange, call, faults, {
      onTokens: () => undefined,
      onEnd: (counts) => resolve(json(call, exchange.whole(counts))),
      onError: (error) => {
        const refusal = rescue(error, call);
        const body = exchange.error?.(error);
        resolve(body === undefined ? refusal : { ...refusal, body: JSON.stringify(body) });
      },
      onCut: () => resolve({ cut: true }),
    });
    runs.start();
  });
}

function streamed(
  exchange: Exchange,
  call: Call,
  faults: AnswerFaults,
  isAdmitted: boolean,
): HttpReply {
  const headers = { ...call.headers, "content-type": "text/event-stream; charset=utf-8" };
  return {
    status: 200,
    headers,
    begin: (body) => {
      const shape = exchange.stream();
      if (!isAdmitted) {
        sendLast(body, shape.error(busy()));
        return;
      }
      body.write(shape.opening());
      const runs = new ChoiceRuns(exchange, call, faults, {
        onTokens: (events) => {
          const texts: string[] = [];
          for (const { at, from, to, counts } of events) {
            texts.push(...shape.tokens(at, from, to, counts));
          }
          body.write(texts);
        },
        onEnd: (counts) => sendLast(body, shape.closing(counts)),
        onError: (error) => sendLast(body, shape.error(error)),
        onCut: () => body.cut(),
      });
      runs.start();
    },
  };
}

function sendLast(body: ReplyBody, texts: readonly string[]): void {
  body.write(texts);
  body.end();
}
