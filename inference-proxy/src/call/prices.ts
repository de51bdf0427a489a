import { WarmpathError } from "@warmpath/runtime/base";
import { linesOf } from "../pace/index.ts";
import type { TokenUsage } from "../upstream/usage.ts";

/** What tokens of a model cost, in pico-dollars (1e-12 USD) each: cheap models need the digits. */
export interface Price {
  readonly input: bigint;
  /** Prompt tokens that were read from the upstream's cache. */
  readonly cached: bigint;
  readonly output: bigint;
  /** Answer tokens spent on reasoning; most providers charge them as any other. */
  readonly reasoning: bigint;
  /** Prompt tokens that the upstream wrote to its cache at a price of their own. */
  readonly cacheWrite: bigint;
}

/** Prices by model. */
export type PriceTable = ReadonlyMap<string, Price>;

const form = "model=input/cached/output[/reasoning[/cache-write]]";
const amount = /^\d{1,9}(?:\.\d{1,3})?$/;
const picodollarsPerNanodollar = 1000n;

/**
 * Reads entries as `qwen=150/75/600`, in nano-dollars a token (dollars per million tokens, times a
 * thousand), with up to three decimals; throws one error that lists every entry that is not so.
 */
export function parsePrices(entries: readonly string[]): PriceTable {
  const prices = new Map<string, Price>();
  const faults: string[] = [];
  for (const entry of linesOf(entries)) {
    const at = entry.lastIndexOf("=");
    const parts = entry.slice(at + 1).split("/");
    const [input = "", cached = "", output = "", reasoning = output, cacheWrite = input] = parts;
    const isPrice =
      parts.length >= 3 && parts.length <= 5 && parts.every((part) => amount.test(part));
    if (at < 1 || !isPrice) {
      faults.push(`"${entry}" is not of the form ${form}, in nano-dollars per token`);
      continue;
    }
    prices.set(entry.slice(0, at), {
      input: picodollars(input),
      cached: picodollars(cached),
      output: picodollars(output),
      reasoning: picodollars(reasoning),
      cacheWrite: picodollars(cacheWrite),
    });
  }
  if (faults.length > 0) {
    throw new WarmpathError("rejected-config", `WARMPATH_PRICES: ${faults.join("; ")}`);
  }
  return prices;
}

function picodollars(nanodollars: string): bigint {
  const [whole = "0", decimals = ""] = nanodollars.split(".");
  return BigInt(whole) * picodollarsPerNanodollar + BigInt(decimals.padEnd(3, "0"));
}

/**
 * The cost of a call in nano-dollars, rounded up; a model without a price costs nothing. What an
 * upstream says of a part is never taken for more than the whole.
 */
export function costOf(prices: PriceTable, model: string, usage: TokenUsage): bigint {
  const price = prices.get(model);
  if (price === undefined) {
    return 0n;
  }
  const { inputTokens, outputTokens } = usage;
  const cached = Math.min(usage.cachedInputTokens, inputTokens);
  const written = Math.min(usage.cacheWriteTokens, inputTokens - cached);
  const reasoning = Math.min(usage.reasoningTokens, outputTokens);
  const picodollarsUsed =
    BigInt(inputTokens - cached - written) * price.input +
    BigInt(cached) * price.cached +
    BigInt(written) * price.cacheWrite +
    BigInt(outputTokens - reasoning) * price.output +
    BigInt(reasoning) * price.reasoning;
  return (picodollarsUsed + picodollarsPerNanodollar - 1n) / picodollarsPerNanodollar;
}

/** Prompt tokens that agents send for each token of an answer, at the least. */
const promptTokensPerAnswerToken = 3;

/** What a typical token of the model costs, to compare models by only; 0 where nobody said. */
export function typicalPrice(prices: PriceTable, model: string): number {
  const price = prices.get(model);
  return price === undefined
    ? 0
    : (Number(price.input) * promptTokensPerAnswerToken + Number(price.output)) /
        (promptTokensPerAnswerToken + 1);
}
