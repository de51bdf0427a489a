/** What a client has sent before its turn. */
export class LaterBytes {
  #pieces: Buffer[] = [];
  /** How many there are. */
  length = 0;

  add(bytes: Buffer): void {
    this.#pieces.push(bytes);
    this.length += bytes.length;
  }

  /** All of them; none are left. */
  take(): Buffer {
    const all = Buffer.concat(this.#pieces);
    this.clear();
    return all;
  }

  clear(): void {
    this.#pieces = [];
    this.length = 0;
  }
}
