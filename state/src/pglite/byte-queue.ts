/**
 * Bytes that arrived in pieces and leave in other pieces. Each byte is copied once at most, however
 * many pieces it takes to complete a message, so that reading stays linear in what was sent.
 */
export class ByteQueue {
  #chunks: Buffer[] = [];
  /** Bytes of the first chunk that have left. */
  #offset = 0;
  #length = 0;

  /** Bytes that wait. */
  get length(): number {
    return this.#length;
  }

  /** Adds a piece; it must not change afterwards. */
  push(chunk: Buffer): void {
    if (chunk.length > 0) {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
    }
  }

  /** The first `count` bytes, which must be there; they stay. For headers: it may copy them. */
  peek(count: number): Buffer {
    const first = this.#chunks[0];
    if (first !== undefined && first.length - this.#offset >= count) {
      return first.subarray(this.#offset, this.#offset + count);
    }
    const pieces: Buffer[] = [];
    let gathered = 0;
    for (let index = 0; gathered < count && index < this.#chunks.length; index++) {
      const piece = this.#chunks[index]?.subarray(index === 0 ? this.#offset : 0);
      if (piece !== undefined) {
        pieces.push(piece);
        gathered += piece.length;
      }
    }
    return Buffer.concat(pieces, count);
  }

  /** Removes and returns the first `count` bytes, which must be there. */
  take(count: number): Buffer {
    const taken = this.peek(count);
    this.#length -= count;
    let left = count + this.#offset;
    let index = 0;
    for (; index < this.#chunks.length; index++) {
      const size = this.#chunks[index]?.length ?? 0;
      if (left < size) {
        break;
      }
      left -= size;
    }
    this.#chunks.splice(0, index);
    this.#offset = left;
    return taken;
  }
}
