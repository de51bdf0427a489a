import { piecesOf, tokenId } from "../tokenizer.ts";

/**
 * Log probabilities of the recorded shapes. The values are made up from the token, so that equal
 * texts have equal ones; nothing was sampled.
 */

interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[];
}

/** `logprobs` of a chat choice, for some of its tokens. */
export function chatLogprobs(pieces: readonly string[], alternatives: number | undefined): unknown {
  if (alternatives === undefined) return null;
  return {
    content: pieces.map((piece) => ({
      ...chatToken(piece, 0),
      top_logprobs: alternativesTo(piece, alternatives).map(chatToken),
    })),
  };
}

/** `logprobs` of a completion choice, for tokens that begin at `offset` characters. */
export function completionLogprobs(
  pieces: readonly string[],
  alternatives: number | undefined,
  offset: number,
): unknown {
  if (alternatives === undefined) return null;
  let at = offset;
  return {
    text_offset: pieces.map((piece) => {
      at += piece.length;
      return at - piece.length;
    }),
    token_logprobs: pieces.map((piece) => logprobOf(piece, 0)),
    tokens: pieces,
    top_logprobs: pieces.map((piece) =>
      Object.fromEntries(
        alternativesTo(piece, alternatives).map((other, rank) => [other, logprobOf(other, rank)]),
      ),
    ),
  };
}

function chatToken(token: string, rank: number): TokenLogprob {
  return { token, logprob: logprobOf(token, rank), bytes: [...Buffer.from(token)] };
}

/** The token itself and its next best; between -0 and -2 for the token, less for each rank. */
function logprobOf(token: string, rank: number): number {
  return -(tokenId(token) % 2000) / 1000 - 2 * rank;
}

const others = piecesOf(" the of and to in is that for it as was with be by on not he his but at");

function alternativesTo(token: string, count: number): readonly string[] {
  return [token, ...others.filter((other) => other !== token)].slice(0, count);
}
