/**
 * Text for a run of tokens that is only known by its identity: always the same words for the same
 * content, one token each for the replica's tokenizer (a space and at most six letters).
 */
export function textOf(content: number, tokens: number): string {
  const words: string[] = [];
  let state = mix(content);
  for (let index = 0; index < tokens; index++) {
    state = mix(state + index + 1);
    words.push(wordOf(state));
  }
  return ` ${words.join(" ")}`;
}

/** Four to six letters from a 32-bit number. */
function wordOf(bits: number): string {
  let rest = bits;
  let word = "";
  for (let letter = 0; letter < 6; letter++) {
    word += String.fromCharCode(97 + (rest % 26));
    rest = Math.floor(rest / 26);
  }
  return word;
}

/** One round of a 32-bit finaliser (MurmurHash3's), so that neighbours differ in every letter. */
function mix(value: number): number {
  let bits = value | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
