import type { Segment } from "../workloads/types.ts";
import type { ReplayedRequest } from "./types.ts";

/** A prompt and its answer as runs of tokens that others may begin with, too. */
export interface PlannedPrompt {
  /** The prompt's, and the answer as the last one. */
  readonly segments: readonly Segment[];
  readonly promptSegments: number;
}

/** The first `count` of `segments`, which are so many tokens. */
interface Beginning {
  readonly segments: readonly Segment[];
  readonly count: number;
  readonly tokens: number;
}

interface Turn {
  readonly keys: readonly number[];
  readonly prompt: Beginning;
  readonly withAnswer: Beginning;
}

/**
 * Turns keys of receipts back into prompts that share what was shared. A session's next prompt that
 * begins with its last one goes on behind that one's answer; any other one goes on where the
 * deepest chunk that it has in common with an earlier prompt ends. Memory: an entry for each
 * distinct chunk.
 */
export class PromptTree {
  readonly #beginnings = new Map<number, Beginning>();
  readonly #lastTurns = new Map<string, Turn>();
  #contents = 0;

  /** Plans the next request; requests come in the order of time. */
  plan(request: ReplayedRequest): PlannedPrompt {
    const { keys, promptTokens, outputTokens, session } = request;
    const from = this.#beginningOf(request);
    const segments = from.segments.slice(0, from.count);
    let tokens = from.tokens;
    const grow = (toTokens: number): Beginning => {
      if (toTokens > tokens) {
        segments.push({ content: this.#contents++, tokens: toTokens - tokens });
        tokens = toTokens;
      }
      return { segments, count: segments.length, tokens };
    };
    const scale = promptTokens / Math.max(1, request.estimatedTokens);
    for (const [index, key] of keys.entries()) {
      const end = Math.round((index + 1) * request.chunkTokens * scale);
      if (end > promptTokens) break;
      // Chunks inside what it begins with have their places already.
      if (end > from.tokens) this.#remember(key, grow(end));
    }
    const prompt = grow(promptTokens);
    const withAnswer = grow(promptTokens + outputTokens);
    this.#lastTurns.set(session, { keys, prompt, withAnswer });
    return { segments, promptSegments: prompt.count };
  }

  #beginningOf({ keys, promptTokens, session }: ReplayedRequest): Beginning {
    const last = this.#lastTurns.get(session);
    if (last !== undefined && goesOn(last.keys, keys)) {
      const { withAnswer, prompt } = last;
      if (withAnswer.tokens < promptTokens) return withAnswer;
      // The answer came back shorter, without its thinking say.
      if (prompt.tokens < promptTokens) return prompt;
    }
    for (let index = keys.length - 1; index >= 0; index -= 1) {
      const beginning = this.#beginnings.get(keys[index]!);
      if (beginning !== undefined && beginning.tokens < promptTokens) return beginning;
    }
    return { segments: [], count: 0, tokens: 0 };
  }

  #remember(key: number, beginning: Beginning): void {
    if (!this.#beginnings.has(key)) this.#beginnings.set(key, beginning);
  }
}

/** True when all whole chunks of the earlier prompt begin the later one. Keys are chained. */
function goesOn(earlier: readonly number[], later: readonly number[]): boolean {
  return earlier.length > 0 && later[earlier.length - 1] === earlier.at(-1);
}
