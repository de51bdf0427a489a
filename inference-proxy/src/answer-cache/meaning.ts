import type { CallMeans } from "../call/open-call.ts";
import type { Question } from "../call/reuse.ts";
import type { CallRequest } from "../call/types.ts";
import type { EmbedQuestion } from "./embed-question.ts";
import { createSemanticIndex, type Near } from "./semantic-index.ts";
import type { MeaningLimits } from "./types.ts";

/** What is known of a question by its meaning. */
export interface Meaning {
  /** A stored question that means the same; undefined when there is none. */
  readonly near: Near | undefined;
  /** Remembers that the answer of this question is stored under this key. */
  remember(key: string): void;
}

/** Finds stored questions that mean the same. */
export interface Meanings {
  /** Undefined when the question's meaning is not known. */
  look(
    means: CallMeans,
    request: CallRequest,
    question: Question,
    isStored: (key: string) => boolean,
  ): Promise<Meaning | undefined>;
}

/** Joins the embedding model with the index of questions. */
export function createMeanings(options: {
  readonly embedQuestion: EmbedQuestion;
  readonly limits: Pick<MeaningLimits, "semanticEntriesMax" | "semanticSimilarityMin">;
}): Meanings {
  const { embedQuestion, limits } = options;
  const index = createSemanticIndex({ entriesMax: limits.semanticEntriesMax });
  return {
    look: async (means, request, { group, text }, isStored) => {
      const embedded = await embedQuestion(means, request, text);
      if (embedded === undefined) {
        return undefined;
      }
      const { vector, model } = embedded;
      const name = `${group} ${model}`;
      const nearest = index.nearest(name, vector, isStored);
      const isNear = nearest !== undefined && nearest.similarity >= limits.semanticSimilarityMin;
      return {
        near: isNear ? nearest : undefined,
        remember: (key) => index.add(name, vector, key),
      };
    },
  };
}
