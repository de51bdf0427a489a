import { create } from "@bufbuild/protobuf";
import {
  type EmbedRequest,
  type EmbedResponse,
  EmbedResponseSchema,
} from "@warmpath/proto/inference";
import type { Principal } from "@warmpath/runtime";
import { newId, WarmpathError } from "@warmpath/runtime/base";
import type { Models } from "../call/models.ts";
import { openCall } from "../call/open-call.ts";
import { noPrompt } from "../prompt/index.ts";
import { errorOfFault } from "./fault.ts";
import type { GenerateMeans } from "./generate.ts";

/** The `Embed` call. */
export async function embed(
  means: Pick<GenerateMeans, "call" | "models" | "requestsPerMinuteOf">,
  request: EmbedRequest,
  caller: { readonly principal: Principal; readonly signal: AbortSignal },
): Promise<EmbedResponse> {
  const model = modelFor(means.models, request.model);
  const { tenant, user, keyId } = caller.principal;
  const body = new TextEncoder().encode(JSON.stringify({ model, input: request.texts }));
  const call = await openCall(means.call, {
    requestId: newId("req"),
    caller: { tenant, user, keyId, requestsPerMinute: means.requestsPerMinuteOf(caller.principal) },
    operation: "embeddings",
    path: "/v1/embeddings",
    model,
    isStream: false,
    dropsUsage: false,
    lane: "standard",
    bodyFor: () => body,
    bodyBytes: body.length,
    engineHeaders: undefined,
    answerTokensMax: 0,
    prompt: noPrompt,
    taskId: "",
    sessionId: "",
    signal: caller.signal,
  });
  if (call.kind === "fault") {
    throw errorOfFault(call);
  }
  call.end();
  const bytes = call.answer.kind === "whole" ? call.answer.bytes : new Uint8Array();
  const embeddings = parseEmbeddings(new TextDecoder().decode(bytes), request.texts.length);
  return create(EmbedResponseSchema, {
    model,
    embeddings: embeddings.map((values) => ({ values: [...values] })),
  });
}

function modelFor(models: Models, asked: string): string {
  if (asked !== "") {
    return models.resolve(asked);
  }
  const model = models.embedding();
  if (model === undefined) {
    throw new WarmpathError("rejected-unimplemented", "no upstream has an embedding model");
  }
  return model;
}

/** The vectors in the order of their texts; throws when the answer has other ones. */
function parseEmbeddings(json: string, count: number): readonly (readonly number[])[] {
  const wrong = new WarmpathError(
    "failed-upstream-protocol",
    `the upstream's answer does not hold ${count} embeddings`,
  );
  const vectors = new Array<readonly number[] | undefined>(count).fill(undefined);
  let data: unknown;
  try {
    data = (JSON.parse(json) as { data?: unknown } | null)?.data;
  } catch (error) {
    throw new WarmpathError(wrong.reason, wrong.message, { cause: error });
  }
  for (const entry of Array.isArray(data) ? data : []) {
    // Each field is checked before it is used.
    const { index, embedding } = entry as { index?: unknown; embedding?: unknown };
    if (typeof index === "number" && index < count && isVector(embedding)) {
      vectors[index] = embedding;
    }
  }
  return vectors.map((vector) => {
    if (vector === undefined) {
      throw wrong;
    }
    return vector;
  });
}

function isVector(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((component) => typeof component === "number");
}
