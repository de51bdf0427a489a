import { WarmpathError } from "@warmpath/runtime/base";
import type { TokenUsage } from "../upstream/usage.ts";

/** What tokens of one model cost, in nano-dollars (1e-9 USD) each. */
export interface Price {
  readonly input: bigint;
  readonly cached: bigint;
  readonly output: bigint;
}

/** Prices by model. */
export type PriceTable = ReadonlyMap<string, Price>;

/** Reads `model=input/cached/output`, listing every entry that is not of this form. */
export function parsePrices(entries: readonly string[]): PriceTable {
  const prices = new Map<string, Price>();
  const faults: string[] = [];
  for (const entry of entries) {
    const match = /^(.+)=(\d{1,12})\/(\d{1,12})\/(\d{1,12})$/.exec(entry);
    if (match === null) {
      faults.push(`"${entry}" is not of the form model=input/cached/output`);
      continue;
    }
    const [, model = "", input = "0", cached = "0", output = "0"] = match;
    prices.set(model, { input: BigInt(input), cached: BigInt(cached), output: BigInt(output) });
  }
  if (faults.length > 0) {
    throw new WarmpathError("rejected-config", `WARMPATH_PRICES: ${faults.join("; ")}`);
  }
  return prices;
}

/** The cost of a call in nano-dollars; a model without a price costs nothing. */
export function costOf(prices: PriceTable, model: string, usage: TokenUsage): bigint {
  const price = prices.get(model);
  if (price === undefined) {
    return 0n;
  }
  const cached = Math.min(usage.cachedInputTokens, usage.inputTokens);
  return (
    BigInt(usage.inputTokens - cached) * price.input +
    BigInt(cached) * price.cached +
    BigInt(usage.outputTokens) * price.output
  );
}

/** Prompt tokens that agents send for each token of an answer, at the least. */
const promptTokensPerAnswerToken = 3;

/** What a typical token of the model costs, to compare models by; 0 where nobody said. */
export function typicalPrice(prices: PriceTable, model: string): number {
  const price = prices.get(model);
  return price === undefined
    ? 0
    : (Number(price.input) * promptTokensPerAnswerToken + Number(price.output)) /
        (promptTokensPerAnswerToken + 1);
}
