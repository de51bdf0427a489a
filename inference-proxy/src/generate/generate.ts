import { create } from "@bufbuild/protobuf";
import { UsageSchema, Lane as WireLane } from "@warmpath/proto/common";
import type { GenerateRequest, GenerateResponse } from "@warmpath/proto/inference";
import { GenerateResponseSchema } from "@warmpath/proto/inference";
import type { Principal } from "@warmpath/runtime";
import { newId, WarmpathError } from "@warmpath/runtime/base";
import type { Lane } from "../admit/index.ts";
import type { CallReport } from "../call/account.ts";
import type { OpenCall } from "../call/end-call.ts";
import type { Models } from "../call/models.ts";
import type { CallMeans } from "../call/open-call.ts";
import { openRouted, type Routable } from "../call/open-routed.ts";
import type { CallRequest } from "../call/types.ts";
import { lastText } from "../providers/route/index.ts";
import { type Assembler, createAssembler, type Piece } from "./assemble.ts";
import { buildChatRequest, messagesBody, readMessages } from "./build-request.ts";
import { errorOfFault } from "./fault.ts";

/** What generating needs of the process. */
export interface GenerateMeans {
  readonly call: CallMeans;
  readonly models: Models;
  readonly generatedBytesMax: number;
  /**
   * Requests per minute of a caller that came with its own key; 0 for those that a service signed
   * for, whose requests the gateway has counted.
   */
  readonly requestsPerMinuteOf: (principal: Principal) => number;
}

/** The `Generate` call: neutral in, neutral out, over the same path as the HTTP API. */
export async function* generate(
  means: GenerateMeans,
  request: GenerateRequest,
  caller: Signed,
): AsyncGenerator<GenerateResponse, void, void> {
  const { call, model } = await openRouted(means, routableFrom(means, request, caller));
  if (call.kind === "fault") {
    throw errorOfFault(call);
  }
  const assembler = createAssembler(means.generatedBytesMax);
  // Stands if the consumer stops reading before the end.
  let failure: unknown = new WarmpathError("failed-cancelled", "the caller stopped reading");
  try {
    let hasStarted = false;
    for await (const piece of piecesOf(call, assembler)) {
      if (!hasStarted) {
        hasStarted = true;
        yield startedResponse(call, model);
      }
      yield pieceResponse(piece);
    }
    if (!hasStarted) {
      yield startedResponse(call, model);
    }
    failure = undefined;
    yield finishedResponse(assembler, call.end());
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    call.end(failure);
  }
}

async function* piecesOf(call: OpenCall, assembler: Assembler): AsyncGenerator<Piece, void, void> {
  if (call.answer.kind === "whole") {
    // A server that does not stream: all at once.
    yield* assembler.pushWhole(new TextDecoder().decode(call.answer.bytes));
    return;
  }
  const { events } = call.answer;
  for (let block = await events.next(); block !== undefined; block = await events.next()) {
    yield* assembler.push(block);
  }
}

interface Signed {
  readonly principal: Principal;
  readonly signal: AbortSignal;
  /** Milliseconds until the caller's deadline; undefined without one. */
  readonly leftMs: number | undefined;
}

function routableFrom(means: GenerateMeans, request: GenerateRequest, caller: Signed): Routable {
  const chat = buildChatRequest(request);
  const requestId = newId("req");
  const asked = request.model;
  return {
    requestId,
    asked,
    signal: caller.signal,
    traits: () => {
      const model = means.models.resolve(asked);
      const { length } = chat.body({ model, cacheSalt: undefined });
      return {
        asked,
        session: request.sessionId === "" ? "" : `${caller.principal.tenant}/${request.sessionId}`,
        tier: "",
        promptTokens: means.call.ratios.estimate(model, length),
        hasTools: () => request.tools.length > 0,
        header: () => undefined,
        metadata: () => undefined,
        text: () => lastText(readMessages(messagesBody(request.messages))),
      };
    },
    requestFor: (model) => callRequestFrom(means, request, { ...caller, requestId, chat, model }),
  };
}

function callRequestFrom(
  { call, requestsPerMinuteOf }: GenerateMeans,
  request: GenerateRequest,
  parts: Signed & {
    readonly requestId: string;
    readonly chat: ReturnType<typeof buildChatRequest>;
    readonly model: string;
  },
): CallRequest {
  const { principal, signal, leftMs, requestId, chat, model } = parts;
  const { tenant, user, keyId } = principal;
  const plain = chat.body({ model, cacheSalt: undefined });
  return {
    requestId,
    caller: { tenant, user, keyId, requestsPerMinute: requestsPerMinuteOf(principal) },
    operation: "chat",
    path: "/v1/chat/completions",
    model,
    isStream: true,
    dropsUsage: false,
    lane: laneFrom(request.lane),
    bodyBytes: plain.length,
    engineHeaders: undefined,
    bodyFor: (kind) => (kind === "vllm" ? chat.body({ model, cacheSalt: tenant }) : plain),
    answerTokensMax: request.sampling?.maxOutputTokens,
    prompt: call.prompts.identify(call.prompts.scan(plain, tenant, "messages"), {
      model,
      salt: tenant,
      lora: "",
      headers: undefined,
      sessionId: request.sessionId,
    }),
    taskId: request.taskId,
    sessionId: request.sessionId,
    agent: principal.agentChain.at(-1),
    signal,
    ...(leftMs === undefined ? undefined : { deadlineAtMs: call.clock.monotonicMs() + leftMs }),
  };
}

function laneFrom(lane: WireLane): Lane {
  switch (lane) {
    case WireLane.INTERACTIVE:
      return "interactive";
    case WireLane.BATCH:
      return "batch";
    case WireLane.STANDARD:
    case WireLane.UNSPECIFIED:
      return "standard";
  }
}

function startedResponse(call: OpenCall, model: string): GenerateResponse {
  const { address, facts } = call.replica;
  const value = { model, replica: address.name, simulated: facts.isSimulated };
  return create(GenerateResponseSchema, { event: { case: "started", value } });
}

function pieceResponse(piece: Piece): GenerateResponse {
  switch (piece.kind) {
    case "text":
      return create(GenerateResponseSchema, { event: { case: "textDelta", value: piece.text } });
    case "reasoning":
      return create(GenerateResponseSchema, {
        event: { case: "reasoningDelta", value: piece.text },
      });
    case "tool-call": {
      const { index, callId, name } = piece;
      const value = { index, callId, name, argumentsDelta: piece.arguments };
      return create(GenerateResponseSchema, { event: { case: "toolCallDelta", value } });
    }
  }
}

function finishedResponse(assembler: Assembler, report: CallReport): GenerateResponse {
  const { message, finishReason } = assembler.finish();
  return create(GenerateResponseSchema, {
    event: {
      case: "finished",
      value: {
        message,
        finishReason,
        usage: usageFrom(report),
        timeToFirstTokenMs: report.firstEventMs ?? 0,
        interTokenMs: report.interTokenMs ?? 0,
        attempts: report.attempts,
      },
    },
  });
}

function usageFrom({ usage, costNanodollars }: CallReport) {
  return create(UsageSchema, {
    inputTokens: BigInt(usage.inputTokens),
    cachedInputTokens: BigInt(usage.cachedInputTokens),
    outputTokens: BigInt(usage.outputTokens),
    reasoningTokens: BigInt(usage.reasoningTokens),
    costNanodollars,
    modelCalls: 1n,
  });
}
