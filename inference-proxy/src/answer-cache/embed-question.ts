import { create } from "@bufbuild/protobuf";
import { EmbedRequestSchema } from "@warmpath/proto/inference";
import { abortSignalOf, WarmpathError } from "@warmpath/runtime/base";
import type { Models } from "../call/models.ts";
import type { CallMeans } from "../call/open-call.ts";
import type { CallRequest } from "../call/types.ts";
import { embed } from "../generate/embed.ts";

/** A question's meaning. */
export interface Embedded {
  readonly model: string;
  readonly vector: Float32Array;
}

/** Turns a question into a vector; undefined where that cannot be had in time. */
export type EmbedQuestion = (
  means: CallMeans,
  request: CallRequest,
  text: string,
) => Promise<Embedded | undefined>;

/**
 * Asks an embedding model as the caller would: its limits pay for the tokens, its leaving ends the
 * call. Whatever goes wrong only means that meanings are not compared.
 */
export function createEmbedQuestion(options: {
  readonly models: Models;
  readonly waitMsMax: number;
}): EmbedQuestion {
  return async (means, { caller, requestId, signal }, text) => {
    const { tenant, user, keyId, requestsPerMinute } = caller;
    const late = AbortSignal.timeout(options.waitMsMax);
    const asked = create(EmbedRequestSchema, { texts: [text] });
    try {
      const { model, embeddings } = await embed(
        { call: means, models: options.models, requestsPerMinuteOf: () => requestsPerMinute },
        asked,
        {
          principal: { tenant, user, keyId, agentChain: [] },
          signal: AbortSignal.any([abortSignalOf(signal), late]),
        },
      );
      const values = embeddings[0]?.values ?? [];
      return { model, vector: Float32Array.from(values) };
    } catch (error) {
      // A caller that has left is told so where its answer is waited for. The reason alone: what an
      // upstream says of a request may quote it.
      const { reason } = WarmpathError.from(error);
      means.log.warn("question not embedded", { request_id: requestId, reason });
      return undefined;
    }
  };
}
