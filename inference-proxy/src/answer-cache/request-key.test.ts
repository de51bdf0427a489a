import { describe, expect, test } from "bun:test";
import { scanBody } from "../prompt/index.ts";
import { flightKey, membersOf, requestKey, withoutSpace } from "./request-key.ts";

const root = ["acme", "/v1/chat/completions", "tiny"];

function keyOf(json: string): string | undefined {
  const members = membersOf(scanBody(new TextEncoder().encode(json)));
  return members && requestKey(root, members);
}

const plain = keyOf('{"messages":[{"role":"user","content":"hi"}],"temperature":0}');

describe("requestKey()", () => {
  test.each([
    '{"temperature":0,"messages":[{"role":"user","content":"hi"}]}',
    ' { "messages" : [ {"role": "user",\n"content":"hi"} ] , "temperature" : 0 } ',
    '{"stream":true,"messages":[{"role":"user","content":"hi"}],"temperature":0,"user":"bob"}',
    '{"model":"small","messages":[{"role":"user","content":"hi"}],"temperature":0,"metadata":{"a":1}}',
    '{"messages":[{"role":"user","content":"hi"}],"temperature":0,"stream_options":{"include_usage":true}}',
    '{"messages":[{"role":"user","content":"hi"}],"temperature":0,"stream_options":null}',
  ])("is the same for %s", (json) => {
    expect(keyOf(json)).toBe(plain as string);
  });

  test.each([
    '{"messages":[{"role":"user","content":"h i"}],"temperature":0}',
    '{"messages":[{"role":"user","content":"hi"}],"temperature":0.0}',
    '{"messages":[{"role":"user","content":"hi"}],"temperature":0,"cache_salt":"own"}',
    '{"messages":[{"role":"user","content":"hi"}],"temperature":0,"tools":[]}',
    '{"messages":[{"role":"user","content":"hi"}],"temperature":0,"stream_options":{"continuous_usage_stats":true}}',
  ])("is another for %s", (json) => {
    expect(keyOf(json)).toBeDefined();
    expect(keyOf(json)).not.toBe(plain as string);
  });

  test("tells seeds apart that are one number to a parser", () => {
    expect(keyOf('{"seed":9007199254740993}')).not.toBe(keyOf('{"seed":9007199254740992}'));
  });

  test("tells what a tenant, a path and a model are apart from each other", () => {
    const members = membersOf(scanBody(new TextEncoder().encode('{"a":1}')));
    const keys = [
      ["acme", "x", "y"],
      ["globex", "x", "y"],
      ["acmex", "", "y"],
      ["acme", "x/y", ""],
    ].map((each) => members && requestKey(each, members));
    expect(new Set(keys).size).toBe(keys.length);
  });

  test.each(['{"a":1,"a":2}', '{"temperature":0,"\\u0074emperature":1}'])(
    "is none for %s",
    (json) => {
      expect(keyOf(json)).toBeUndefined();
    },
  );
});

test("flightKey() tells requests apart, and not who asks or how the answer is sent", () => {
  const key = (json: string, names = root) => {
    const members = membersOf(scanBody(new TextEncoder().encode(json)));
    return members && flightKey(names, members);
  };
  const json = '{"model":"m","messages":[1],"temperature":0}';
  expect(key('{"model":"x","messages":[1],"stream":true,"temperature":0}')).toBe(key(json));
  const others = [
    key('{"messages":[2],"temperature":0}'),
    key('{"messages":[1],"temperature":0,"n":1}'),
    key('{"messages":[1],"temperatur":0,"e":0}'),
    key(json, ["globex"]),
  ];
  expect(new Set([...others, key(json)]).size).toBe(5);
});

test("withoutSpace() leaves strings as they are", () => {
  const bytes = new TextEncoder().encode('[ 1,\t"a \\" b" ,\n{ "c" : " " } ]');
  expect(Buffer.concat(withoutSpace(bytes)).toString()).toBe('[1,"a \\" b",{"c":" "}]');
});
