import { describe, expect, test } from "bun:test";
import { type Random, seededRandom } from "@warmpath/runtime/base";
import { nestingMax } from "./json-walk.ts";
import { findMember, membersMax, readMember, scanBody } from "./scan-body.ts";

const encoder = new TextEncoder();
const scan = (text: string) => scanBody(encoder.encode(text));

/** What the scan makes of a body: its members as JSON.parse would have them. */
function membersOf(text: string): Record<string, unknown> {
  const found = scan(text);
  return Object.fromEntries(
    found.members.map(({ name }) => [name, readMember(found, name)] as const),
  );
}

describe("scanBody()", () => {
  test("finds the members that a parser finds, wherever white space stands", () => {
    const texts = [
      "{}",
      " \n{ \t}\r\n",
      '{"a":1,"b":[1,[2,{"c":"]}"}]],"d":{"e":{}}}',
      '{ "a" : "\\"}" , "b" :null,"c":true ,"d":-1.5e300 }',
      '{"":0,"a b":"\\\\","\u00e9":"\u2028","\\u0061":1}',
      '{"a":"\\\\\\"","b":"\\\\\\\\"}',
    ];
    for (const text of texts) expect(membersOf(text)).toEqual(JSON.parse(text));
  });

  test("reads the last of equal names, however they are spelled", () => {
    const found = scan('{"cache_salt":"a","cache\\u005fsalt":"b","x":1,"\\u0063ache_salt":"c"}');
    expect(found.members.map(({ name }) => name)).toEqual([
      "cache_salt",
      "cache_salt",
      "x",
      "cache_salt",
    ]);
    expect(readMember(found, "cache_salt")).toBe("c");
    expect(findMember(found, "none")).toBeUndefined();
  });

  test("refuses a body whose object is broken, and says what is wrong", () => {
    const broken = [
      "",
      " ",
      "{",
      '{"a"',
      '{"a":',
      '{"a":1',
      '{"a":1,',
      '{"a":1,}',
      "{,}",
      "{a:1}",
      "{'a':1}",
      '{"a" 1}',
      '{"a":}',
      '{"a":1 "b":2}',
      '{"a":1}}',
      '{"a":1} {}',
      '{"a":"x}',
      '{"a":"x\\"}',
      '{"a":[1}',
      '{"a":{"b":1}',
      '{"\\q":1}',
      "nonsense",
      "[1",
    ];
    for (const text of broken) expect(() => scan(text)).toThrow("not valid JSON");
    for (const text of ["[]", "1", "null", '"{}"', " true "]) {
      expect(() => scan(text)).toThrow("must be a JSON object");
    }
    // UTF-16, which CPython would read.
    expect(() => scanBody(new Uint8Array(Buffer.from('{"a":1}', "utf16le")))).toThrow("not valid");
  });

  test("leaves to the engine what is wrong inside a value, unless the proxy reads it", () => {
    for (const text of ['{"a":[1,,2]}', '{"a":nonsense}', '{"a":{"b"}}', '{"a":NaN}']) {
      const found = scan(text);
      expect(found.members.map(({ name }) => name)).toEqual(["a"]);
      expect(() => readMember(found, "a")).toThrow("not valid JSON");
    }
  });

  test("passes over a byte order mark, and only there", () => {
    const found = scan('\ufeff{"\ufeffa":1,"a":2}');
    expect(found.members.map(({ name }) => name)).toEqual(["\ufeffa", "a"]);
    expect(() => scan('{\ufeff"a":1}')).toThrow("not valid JSON");
  });

  test("bounds nesting and members", () => {
    const nested = (depth: number) => `{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`;
    expect(scan(nested(nestingMax)).members).toHaveLength(1);
    expect(() => scan(nested(nestingMax + 1))).toThrow("deep");
    expect(() => scan(`{"a":${"[".repeat(1_000_000)}`)).toThrow("deep");
    const wide = (count: number) =>
      `{${Array.from({ length: count }, (_, index) => `"${index}":0`).join(",")}}`;
    expect(scan(wide(membersMax)).members).toHaveLength(membersMax);
    expect(() => scan(wide(membersMax + 1))).toThrow("members");
  });

  test("agrees with JSON.parse on 4,000 seeded bodies", () => {
    const random = seededRandom("bodies");
    for (let round = 0; round < 4000; round += 1) {
      const text = spaced(random, objectOf(random, 0));
      expect(membersOf(text)).toEqual(JSON.parse(text));
    }
  });

  test("refuses or agrees on 6,000 bodies with a byte changed, and never reads another meaning", () => {
    const random = seededRandom("broken bodies");
    const bytes = '"\\{}[],: 0a';
    let refused = 0;
    for (let round = 0; round < 6000; round += 1) {
      const text = spaced(random, objectOf(random, 0));
      const at = int(random, text.length);
      const other = bytes[int(random, bytes.length)] ?? "";
      const changed = text.slice(0, at) + other + text.slice(at + int(random, 2));
      const expected = parsed(changed);
      if (expected === undefined) {
        refused += outcomeOf(changed) === undefined ? 1 : 0;
      } else {
        expect(outcomeOf(changed)).toEqual(expected);
      }
    }
    expect(refused).toBeGreaterThan(1000);
  });
});

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function outcomeOf(text: string): Record<string, unknown> | undefined {
  try {
    return membersOf(text);
  } catch {
    return undefined;
  }
}

function int(random: Random, below: number): number {
  return Math.floor(random.next() * below);
}

const words = ["", '"', "\\", '\\"', "}{][,:", "\u00fc\u2028", "\ud800", "x".repeat(40), "\n\t"];

function anyValue(random: Random, depth: number): unknown {
  const kinds = [
    () => (random.next() - 0.5) * 1e21,
    () => words[int(random, words.length)],
    () => words[int(random, words.length)]?.repeat(int(random, 9)),
    () => null,
    () => random.next() < 0.5,
    () => Array.from({ length: int(random, 4) }, () => anyValue(random, depth + 1)),
    () => JSON.parse(objectOf(random, depth + 1)) as unknown,
  ];
  return kinds[int(random, depth > 2 ? 5 : kinds.length)]?.();
}

/** Names repeat, and some are written with an escape. */
function objectOf(random: Random, depth: number): string {
  const members = Array.from({ length: int(random, 6) }, () => {
    const name = "abcd"[int(random, 4)] ?? "e";
    const spelled = random.next() < 0.2 ? `\\u00${name.charCodeAt(0).toString(16)}` : name;
    return `"${spelled}":${JSON.stringify(anyValue(random, depth) ?? null)}`;
  });
  return `{${members.join(",")}}`;
}

/** The same body with white space between its members. */
function spaced(random: Random, text: string): string {
  const space = [" ", "\n", "\t ", ""][int(random, 4)] ?? "";
  return `${space}${text.slice(0, 1)}${space}${text.slice(1, -1)}${space}${text.slice(-1)}${space}`;
}
