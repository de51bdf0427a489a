/**
 * A deterministic stand-in for a BPE tokenizer: about four bytes a token, always the same pieces
 * for the same text, and `pieces.join("") === text`. Ids are hashes; they are turned back into the
 * texts that this process has met.
 */

/** One past the largest token id; the size of a current open model's vocabulary. */
export const vocabularySize = 151_936;

// A word of up to six letters with its leading space, up to three digits, a run of spaces, or up to
// three signs.
const piecePattern = / ?\p{L}{1,6}|\p{L}{1,6}| ?\d{1,3}|\s+|[^\s\p{L}\d]{1,3}/gu;

/** Cuts text into the pieces that count as one token each. */
export function piecesOf(text: string): readonly string[] {
  return text.match(piecePattern) ?? [];
}

/** Token ids of a text, one per piece. */
export function tokenIdsOf(text: string): readonly number[] {
  return text.length < rememberedCharsMin ? piecesOf(text).map(tokenId) : remembered(text);
}

/**
 * Conversations come again with every turn, so long texts are cut once; the ones used least
 * recently are forgotten when all together are longer than the limit.
 */
const rememberedCharsMin = 256;
const rememberedCharsMax = 16 * 1024 * 1024;
const rememberedIds = new Map<string, readonly number[]>();
let rememberedChars = 0;

function remembered(text: string): readonly number[] {
  const known = rememberedIds.get(text);
  if (known !== undefined) {
    rememberedIds.delete(text);
    rememberedIds.set(text, known);
    return known;
  }
  const ids = piecesOf(text).map(tokenId);
  rememberedIds.set(text, ids);
  rememberedChars += text.length;
  for (const oldest of rememberedIds.keys()) {
    if (rememberedChars <= rememberedCharsMax) break;
    rememberedIds.delete(oldest);
    rememberedChars -= oldest.length;
  }
  return ids;
}

/** The piece that was met first under each id. */
const metPieces = new Map<number, string>();

/** The id of one piece: FNV-1a over its UTF-16 units, folded into the vocabulary. */
export function tokenId(piece: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < piece.length; index++) {
    hash = Math.imul(hash ^ piece.charCodeAt(index), 0x01000193) >>> 0;
  }
  const id = hash % vocabularySize;
  if (!metPieces.has(id)) metPieces.set(id, piece);
  return id;
}

/** The text of a token, or its number in brackets where this process never met it. */
export function tokenText(id: number): string {
  return metPieces.get(id) ?? `<${id}>`;
}
