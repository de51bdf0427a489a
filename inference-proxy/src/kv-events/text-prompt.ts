/** A prompt given as text, as far as the blocks that it becomes can be told apart. */
export interface TextPrompt {
  /** One for each chunk of its text; the last one stands for its end. */
  readonly keys: ArrayLike<number>;
  /** Tokens of a chunk and of the whole, both by the same estimate. */
  readonly chunkTokens: number;
  readonly promptTokens: number;
}

/**
 * Finds the engine's block that holds the end of each chunk, now that the engine has said how many
 * tokens the prompt had. Counted from the prompt's end, since tools and instructions stand before
 * the text that is cut into chunks. A chunk's end is known to about half a chunk.
 */
export function blocksOfText(
  { keys, chunkTokens, promptTokens }: TextPrompt,
  tokens: number,
  blockTokens: number,
): (index: number) => number {
  const chunk = promptTokens > 0 ? (chunkTokens * tokens) / promptTokens : 0;
  const last = keys.length - 1;
  return (index) => {
    // The last chunk is cut somewhere: half a chunk, for want of better knowledge.
    const chunksAfter = index === last ? 0 : last - index - 0.5;
    const end = Math.max(1, Math.floor(tokens - chunksAfter * chunk));
    return Math.floor((end - 1) / blockTokens);
  };
}
