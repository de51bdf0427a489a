/** Up to here what follows the text is copied behind it: cheaper than a system call of its own. */
const shortBytes = 4096;

/**
 * Bytes with a text put in at one place. What a proxy adds to what it was sent is a few words: only
 * these are made, and the rest is copied once, to where it leaves from.
 */
export class SplicedBytes {
  /** Of all that is to be sent. */
  readonly length: number;
  readonly #bytes: Buffer;
  readonly #at: number;
  readonly #text: string;

  /** The bytes must not change as long as this is in use. */
  constructor(bytes: Buffer, at: number, text: string) {
    this.#bytes = bytes;
    this.#at = at;
    this.#text = text;
    this.length = bytes.length + Buffer.byteLength(text);
  }

  /** Writes all of it into `target` from `offset` on, where there must be room. */
  copyTo(target: Buffer, offset: number): void {
    const bytes = this.#bytes;
    const at = this.#at;
    bytes.copy(target, offset, 0, at);
    const written = target.write(this.#text, offset + at);
    bytes.copy(target, offset + at + written, at);
  }

  /** All of it in pieces, in order; of the bytes no more than a short end is copied. */
  pieces(): readonly Uint8Array[] {
    const before = this.#bytes.subarray(0, this.#at);
    const after = this.#bytes.subarray(this.#at);
    return after.length > shortBytes
      ? [before, Buffer.from(this.#text), after]
      : [before, Buffer.concat([Buffer.from(this.#text), after])];
  }

  toBytes(): Buffer<ArrayBuffer> {
    // Every byte is written.
    const whole = Buffer.allocUnsafe(this.length) as Buffer<ArrayBuffer>;
    this.copyTo(whole, 0);
    return whole;
  }
}
