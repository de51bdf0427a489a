import { type FieldsView, Http1Error } from "./types.ts";

/*
 * Cost per head: one string of it and one native test, two slices and a look-up a line. Control
 * characters are refused, so no value can carry a line of its own into another message.
 */

const nameForm = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Whole lines without control characters but the tab. */
const headForm = /^[\t\x20-\x7e\x80-\xff]*(?:\r\n[\t\x20-\x7e\x80-\xff]*)*$/;
const space = 0x20;
const tab = 0x09;

/** Header fields in the order in which they came. Few, so a list is searched faster than a map. */
export class HttpFields implements FieldsView {
  /** Names and values by turns. */
  readonly #list: readonly string[];

  constructor(list: readonly string[]) {
    this.#list = list;
  }

  get(name: string): string | null {
    const list = this.#list;
    let value: string | null = null;
    for (let at = 0; at < list.length; at += 2) {
      if (list[at] === name) {
        value = value === null ? (list[at + 1] ?? "") : `${value}, ${list[at + 1]}`;
      }
    }
    return value;
  }

  has(name: string): boolean {
    return this.get(name) !== null;
  }

  /** Every field, names in lower case, equal names apart. */
  entries(): readonly (readonly [string, string])[] {
    const entries: (readonly [string, string])[] = [];
    for (let at = 0; at < this.#list.length; at += 2) {
      entries.push([this.#list[at] ?? "", this.#list[at + 1] ?? ""]);
    }
    return entries;
  }
}

/**
 * Reads the lines of a head from `at` on, without the empty line that ends it. Throws `Http1Error`
 * of kind `protocol` for what is no field: folded lines, control characters, space before a colon.
 */
export function parseFields(head: string, at: number): HttpFields {
  if (!headForm.test(head)) {
    throw new Http1Error("protocol", "the head has a character that no header may have");
  }
  const list: string[] = [];
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
    list.push(nameOf(name), head.slice(first, last));
    from = end + 2;
  }
  return new HttpFields(list);
}

/** Names as they were written, and in lower case: there are few, and the same ones again. */
const knownNames = new Map<string, string>();
const knownNamesMax = 512;

function nameOf(written: string): string {
  const known = knownNames.get(written);
  if (known !== undefined) {
    return known;
  }
  if (!nameForm.test(written)) {
    throw new Http1Error("protocol", "the head has a line that is no header");
  }
  const name = written.toLowerCase();
  if (knownNames.size < knownNamesMax) {
    // A copy: a slice would hold on to the whole head that it was cut from.
    knownNames.set(Buffer.from(written, "latin1").toString("latin1"), name);
  }
  return name;
}

function isBlank(code: number): boolean {
  return code === space || code === tab;
}

const unfitForValue = /[^\t\x20-\x7e\x80-\xff]/;
const unfitForValueAll = /[^\t\x20-\x7e\x80-\xff]/g;

/** A value as it may stand in a head: what could end its line, there or elsewhere, is blanked. */
export function fieldValue(value: string): string {
  return unfitForValue.test(value) ? value.replaceAll(unfitForValueAll, " ") : value;
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
