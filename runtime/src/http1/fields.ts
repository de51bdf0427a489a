import { type FieldsView, Http1Error } from "./types.ts";

/*
 * Cost per head: one string of it, two slices and two native tests a line. The tests refuse every
 * control character, so no value can carry a line of its own into another message.
 */

const nameForm = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const valueForm = /^[\t\x20-\x7e\x80-\xff]*$/;
const space = 0x20;
const tab = 0x09;

/** Header fields in the order in which they came. Few, so a list is searched faster than a map. */
export class HttpFields implements FieldsView {
  readonly #names: string[] = [];
  readonly #values: string[] = [];

  add(name: string, value: string): void {
    this.#names.push(name);
    this.#values.push(value);
  }

  get(name: string): string | null {
    const at = this.#names.indexOf(name);
    if (at < 0) {
      return null;
    }
    let value = this.#values[at] ?? "";
    for (let next = this.#names.indexOf(name, at + 1); next >= 0; ) {
      value += `, ${this.#values[next]}`;
      next = this.#names.indexOf(name, next + 1);
    }
    return value;
  }

  has(name: string): boolean {
    return this.#names.includes(name);
  }

  /** Every field, names in lower case, equal names apart. */
  entries(): readonly (readonly [string, string])[] {
    return this.#names.map((name, index) => [name, this.#values[index] ?? ""]);
  }
}

/**
 * Reads the lines of a head from `at` on, without the empty line that ends it. Throws `Http1Error`
 * of kind `protocol` for what is no field: folded lines, control characters, space before a colon.
 */
export function parseFields(head: string, at: number): HttpFields {
  const fields = new HttpFields();
  for (let from = at; from < head.length; ) {
    const found = head.indexOf("\r\n", from);
    const end = found < 0 ? head.length : found;
    const colon = head.indexOf(":", from);
    if (colon < 0 || colon >= end) {
      throw new Http1Error("protocol", "the head has a line that is no header");
    }
    const name = head.slice(from, colon);
    let first = colon + 1;
    let last = end;
    while (first < last && isBlank(head.charCodeAt(first))) {
      first += 1;
    }
    while (first < last && isBlank(head.charCodeAt(last - 1))) {
      last -= 1;
    }
    const value = head.slice(first, last);
    if (!nameForm.test(name) || !valueForm.test(value)) {
      throw new Http1Error("protocol", "the head has a line that is no header");
    }
    fields.add(name.toLowerCase(), value);
    from = end + 2;
  }
  return fields;
}

function isBlank(code: number): boolean {
  return code === space || code === tab;
}

/** Longest head, either way. As much as common servers take. */
export const headBytesMax = 64 * 1024;

const headEnd = Buffer.from("\r\n\r\n");

/** Collects a head that comes in pieces. */
export class HeadReader {
  #pending: Buffer | undefined;

  /** True while part of a head is in hand. */
  get isWithin(): boolean {
    return this.#pending !== undefined;
  }

  /**
   * Looks for the end of the head in what was read from `at` on. Undefined while it has not come;
   * else the head's text without its end, and the bytes in which `next` is the position behind it.
   */
  read(
    bytes: Buffer,
    at: number,
  ): { readonly text: string; readonly bytes: Buffer; readonly next: number } | undefined {
    const held = this.#pending;
    const all = held === undefined ? bytes : Buffer.concat([held, bytes.subarray(at)]);
    const from = held === undefined ? at : 0;
    // The end may have begun in what was there already.
    const searchFrom = held === undefined ? at : Math.max(0, held.length - 3);
    const found = all.indexOf(headEnd, searchFrom);
    if ((found < 0 ? all.length : found) - from > headBytesMax) {
      throw new Http1Error("protocol", `the head has more than ${headBytesMax} bytes`);
    }
    if (found < 0) {
      this.#pending = from === 0 ? all : all.subarray(from);
      return undefined;
    }
    this.#pending = undefined;
    return { text: all.toString("latin1", from, found), bytes: all, next: found + headEnd.length };
  }
}
