import type { InferenceService } from "@warmpath/proto/inference";
import type { KnowledgeService } from "@warmpath/proto/state";
import type { Principal, ServiceClient } from "@warmpath/runtime";
import type { Logger } from "@warmpath/runtime/base";
import { WarmpathError } from "@warmpath/runtime/base";
import { done, type Tool } from "./tool.ts";

/** What the search stands on. */
export interface KnowledgeSearchDeps {
  readonly knowledge: ServiceClient<typeof KnowledgeService>;
  readonly inference: ServiceClient<typeof InferenceService>;
  readonly log: Logger;
}

/** Passages of one answer: five fill a page, more crowd out the conversation. */
const passagesMax = 10;
const passagesDefault = 5;

/**
 * Searches the tenant's and the shared passages, by words, and by meaning where an embedding model
 * is at hand.
 */
export function createKnowledgeSearch(deps: KnowledgeSearchDeps): Tool {
  return {
    name: "knowledge_search",
    description:
      "Searches the knowledge base (this installation's documents) and returns the passages that fit best, with their sources.",
    parametersJson: JSON.stringify({
      type: "object",
      properties: {
        query: { type: "string", description: "What to look for.", minLength: 1, maxLength: 2000 },
        limit: {
          type: "integer",
          minimum: 1,
          maximum: passagesMax,
          description: `How many passages, ${passagesDefault} if left out.`,
        },
      },
      required: ["query"],
      additionalProperties: false,
    }),
    idempotent: true,
    async call({ argumentsJson, principal, signal, timeoutMs }) {
      // The arguments were validated against the schema above.
      const { query, limit } = JSON.parse(argumentsJson) as { query: string; limit?: number };
      const text = query.toWellFormed();
      const vector = await embedQuery(deps, text, principal, signal);
      const { matches } = await deps.knowledge.search(
        { query: text, limit: limit ?? passagesDefault, ...vector },
        { principal, signal, timeoutMs },
      );
      const shown = matches.map(({ source, title, text }) => ({ source, title, text }));
      return done(JSON.stringify({ matches: shown }));
    },
  };
}

/** The query's vector; without one the search goes by words alone, which is worse but not wrong. */
async function embedQuery(
  deps: KnowledgeSearchDeps,
  query: string,
  principal: Principal,
  signal: AbortSignal,
): Promise<{ embedding?: number[]; embeddingModel?: string }> {
  try {
    const { model, embeddings } = await deps.inference.embed(
      { texts: [query] },
      { principal, signal },
    );
    const values = embeddings[0]?.values ?? [];
    return values.length > 0 ? { embedding: values, embeddingModel: model } : {};
  } catch (error) {
    if (signal.aborted) throw error;
    const { code, message } = WarmpathError.from(error);
    if (code !== "unimplemented") deps.log.debug("search without embedding", { error: message });
    return {};
  }
}
