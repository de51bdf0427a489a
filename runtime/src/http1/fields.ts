import { type FieldsView, Http1Error } from "./types.ts";

/*
 * Cost per head: one string of it and one comparison a line; two slices and a look-up for each line
 * that is not the same as in the connection's last head. Control characters are refused, so no
 * value can carry a line of its own into another message.
 */

const nameForm = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** A line without control characters but the tab. */
const lineForm = /^[\t\x20-\x7e\x80-\xff]*$/;
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

/** Lines that are remembered, of heads up to so long: a slice holds on to all of its head. */
const knownLinesMax = 32;
const knownHeadCharsMax = 4096;

/**
 * Reads the fields of one connection's heads. From one head to the next most lines are the same, at
 * the same place: those are not read again.
 */
export class FieldsReader {
  /** Of the last head: its lines, and the list of its names and values. */
  #lines: readonly string[] = [];
  #list: readonly string[] = [];
  #fields = new HttpFields([]);

  /**
   * Reads the lines of a head from `at` on, without the empty line that ends it; the last fields
   * themselves where nothing has changed. Throws `Http1Error` of kind `protocol` for what is no
   * field: folded lines, control characters, space before a colon.
   */
  read(head: string, at: number): HttpFields {
    let from = at;
    let same = 0;
    for (; same < this.#lines.length && from < head.length; same += 1) {
      const line = this.#lines[same] ?? "";
      const end = from + line.length;
      if (!head.startsWith(line, from) || (end < head.length && !isLineEnd(head, end))) {
        break;
      }
      from = end + 2;
    }
    return same === this.#lines.length && from >= head.length
      ? this.#fields
      : this.#readOthers(head, from, same);
  }

  #readOthers(head: string, at: number, same: number): HttpFields {
    const lines = this.#lines.slice(0, same);
    const list = this.#list.slice(0, 2 * same);
    for (let from = at; from < head.length; ) {
      const index = lines.length;
      const known = this.#lines[index];
      if (known !== undefined && head.startsWith(known, from)) {
        const knownEnd = from + known.length;
        if (knownEnd >= head.length || isLineEnd(head, knownEnd)) {
          lines.push(known);
          list.push(this.#list[2 * index] ?? "", this.#list[2 * index + 1] ?? "");
          from = knownEnd + 2;
          continue;
        }
      }
      const found = head.indexOf("\r\n", from);
      const end = found < 0 ? head.length : found;
      const line = head.slice(from, end);
      pushField(list, line);
      lines.push(line);
      from = end + 2;
    }
    const fields = new HttpFields(list);
    if (head.length <= knownHeadCharsMax && lines.length <= knownLinesMax) {
      this.#lines = lines;
      this.#list = list;
      this.#fields = fields;
    }
    return fields;
  }
}

function isLineEnd(head: string, at: number): boolean {
  return head.charCodeAt(at) === 0x0d && head.charCodeAt(at + 1) === 0x0a;
}

/** Adds the name and the value of one line. */
function pushField(list: string[], line: string): void {
  if (!lineForm.test(line)) {
    throw new Http1Error("protocol", "the head has a character that no header may have");
  }
  const colon = line.indexOf(":");
  if (colon < 0) {
    throw new Http1Error("protocol", "the head has a line that is no header");
  }
  let first = colon + 1;
  let last = line.length;
  while (first < last && isBlank(line.charCodeAt(first))) {
    first += 1;
  }
  while (first < last && isBlank(line.charCodeAt(last - 1))) {
    last -= 1;
  }
  list.push(nameOf(line.slice(0, colon)), line.slice(first, last));
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

/** Lines of a head as they were written last, by name: most values never change. */
const writtenLines = new Map<string, { value: string; line: string; changes: number }>();
const writtenLinesMax = 256;
/** A value that changed so often, as ids do, is not remembered any more. */
const changesMax = 16;
const writtenCharsMax = 256;

/** The line of a field, its end included. */
export function fieldLine(name: string, value: string): string {
  const written = writtenLines.get(name);
  if (written?.value === value) {
    return written.line;
  }
  const line = `${name}: ${fieldValue(value)}\r\n`;
  if (value.length > writtenCharsMax) {
    return line;
  }
  if (written === undefined) {
    if (writtenLines.size < writtenLinesMax) {
      writtenLines.set(name, { value, line, changes: 0 });
    }
  } else if (written.changes < changesMax) {
    written.value = value;
    written.line = line;
    written.changes += 1;
  }
  return line;
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
