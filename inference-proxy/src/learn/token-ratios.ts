import { createEwma, type Ewma } from "./ewma.ts";

/** How many bytes of a request make a prompt token, per model, learned from reported usage. */
export interface TokenRatios {
  learn(model: string, requestBytes: number, inputTokens: number): void;
  /** The tokens that a request of this size probably has. */
  estimate(model: string, requestBytes: number): number;
}

/** English text in JSON is near four bytes a token; used for a model until its first answer. */
const bytesPerTokenAtFirst = 4;
const sampleWeight = 0.1;

/**
 * Keeps one mean for each of at most `modelsMax` models; models beyond that use the first guess.
 */
export function createTokenRatios({ modelsMax }: { readonly modelsMax: number }): TokenRatios {
  const ratios = new Map<string, Ewma>();
  return {
    learn: (model, requestBytes, inputTokens) => {
      if (inputTokens <= 0 || (ratios.size >= modelsMax && !ratios.has(model))) {
        return;
      }
      const ratio = ratios.get(model) ?? createEwma(sampleWeight);
      ratios.set(model, ratio);
      ratio.add(requestBytes / inputTokens);
    },
    estimate: (model, requestBytes) =>
      Math.ceil(requestBytes / (ratios.get(model)?.mean ?? bytesPerTokenAtFirst)),
  };
}
