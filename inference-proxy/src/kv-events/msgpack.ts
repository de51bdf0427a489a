/**
 * Reads MessagePack, which is how engines write their event batches. Integers beyond 2^53 come as
 * bigint. Bounded: a length that exceeds the input is refused before room is made for it, and so is
 * deep nesting.
 */

/** The input is not MessagePack, or ends early. */
export class MsgpackFault extends Error {
  constructor(message: string) {
    super(message);
    this.name = "MsgpackFault";
  }
}

/** A value as read; maps have string keys, other keys are made strings. */
export type MsgpackValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly MsgpackValue[]
  | MsgpackMap;

/** A map as read. */
export type MsgpackMap = ReadonlyMap<string, MsgpackValue>;

/** Batch, events, event, keys of all blocks, keys of one, key; and room for what is to come. */
const depthMax = 16;

/** Reads exactly one value; throws {@link MsgpackFault}. */
export function readMsgpack(bytes: Uint8Array): MsgpackValue {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (reader.rest > 0) throw new MsgpackFault(`${reader.rest} bytes too many`);
  return value;
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get rest(): number {
    return this.#bytes.length - this.#at;
  }

  value(depth: number): MsgpackValue {
    if (depth > depthMax) throw new MsgpackFault("nested too deeply");
    const tag = this.#number(1);
    if (tag < 0x80) return tag;
    if (tag < 0x90) return this.#map(tag & 0x0f, depth);
    if (tag < 0xa0) return this.#list(tag & 0x0f, depth);
    if (tag < 0xc0) return this.#text(tag & 0x1f);
    if (tag >= 0xe0) return tag - 0x100;
    return this.#tagged(tag, depth);
  }

  #tagged(tag: number, depth: number): MsgpackValue {
    switch (tag) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#take(this.#number(1 << (tag - 0xc4)));
      case 0xca:
        return this.#view.getFloat32(this.#skip(4));
      case 0xcb:
        return this.#view.getFloat64(this.#skip(8));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#number(1 << (tag - 0xcc));
      case 0xcf:
        return narrow(this.#view.getBigUint64(this.#skip(8)));
      case 0xd0:
        return this.#view.getInt8(this.#skip(1));
      case 0xd1:
        return this.#view.getInt16(this.#skip(2));
      case 0xd2:
        return this.#view.getInt32(this.#skip(4));
      case 0xd3:
        return narrow(this.#view.getBigInt64(this.#skip(8)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#number(1 << (tag - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#list(this.#number(tag === 0xdc ? 2 : 4), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#number(tag === 0xde ? 2 : 4), depth);
      default:
        return this.#extension(tag);
    }
  }

  /** Extension types mean nothing here: their bytes, without their kind. */
  #extension(tag: number): MsgpackValue {
    const isFixed = tag >= 0xd4 && tag <= 0xd8;
    if (!isFixed && (tag < 0xc7 || tag > 0xc9)) {
      throw new MsgpackFault(`unknown type 0x${tag.toString(16)}`);
    }
    const length = isFixed ? 1 << (tag - 0xd4) : this.#number(1 << (tag - 0xc7));
    return this.#take(1 + length).subarray(1);
  }

  #list(length: number, depth: number): readonly MsgpackValue[] {
    this.#need(length);
    const items: MsgpackValue[] = [];
    for (let index = 0; index < length; index++) items.push(this.value(depth + 1));
    return items;
  }

  #map(length: number, depth: number): MsgpackMap {
    this.#need(2 * length);
    const members = new Map<string, MsgpackValue>();
    for (let index = 0; index < length; index++) {
      const key = this.value(depth + 1);
      members.set(String(key), this.value(depth + 1));
    }
    return members;
  }

  #text(length: number): string {
    const bytes = this.#take(length);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  }

  /** A view of the next bytes, not a copy. */
  #take(length: number): Uint8Array {
    const start = this.#skip(length);
    return this.#bytes.subarray(start, start + length);
  }

  #number(bytes: number): number {
    const start = this.#skip(bytes);
    if (bytes === 1) return this.#bytes[start]!;
    return bytes === 2 ? this.#view.getUint16(start) : this.#view.getUint32(start);
  }

  #skip(bytes: number): number {
    this.#need(bytes);
    const start = this.#at;
    this.#at += bytes;
    return start;
  }

  /** Every item is at least one byte long. */
  #need(bytes: number): void {
    if (bytes > this.rest) throw new MsgpackFault("ends early");
  }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
