import type { Format, Seal } from "./types.ts";

/*
 * A seal of one provider inside an answer of another's format: the client keeps it as it keeps any
 * and sends it back, and here it is told whose it is. Seals are base64, which has no colon.
 */

const foreign = /^(messages|responses|gemini):/;

/** The text for a format whose own seals go untold. */
export function writeSeal({ origin, data }: Seal, own: Format): string {
  return origin === own ? data : `${origin}:${data}`;
}

/** The seal that a text of this format holds. */
export function readSeal(text: string, own: Format): Seal {
  const match = foreign.exec(text);
  return match === null
    ? { origin: own, data: text }
    : // The expression lists formats only.
      { origin: match[1] as Format, data: text.slice(match[0].length) };
}
