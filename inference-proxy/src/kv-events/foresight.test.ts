import { expect, test } from "bun:test";
import { askForReport } from "./foresight.ts";

const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const asked = (path: string, text: string) =>
  Buffer.from(askForReport(path, bytes(text))).toString();

test("a body asks the engine to report what it finds, and says the same otherwise", () => {
  const body = { model: "tiny", prompt: [1, 2, 3], nested: { a: "}" } };
  for (const path of ["/v1/completions", "/v1/chat/completions"]) {
    expect(JSON.parse(asked(path, JSON.stringify(body)))).toEqual({
      ...body,
      vllm_xargs: { kv_cache_report_mode: "full" },
    });
  }
});

test("a body is left as it is where it has arguments of its own, or no place for them", () => {
  const own = '{"model":"m","vllm_xargs":{"a":1},"prompt":"x"}';
  expect(asked("/v1/completions", own)).toBe(own);
  expect(asked("/v1/messages", '{"model":"m"}')).toBe('{"model":"m"}');
  for (const odd of ["{}", ' {"model":"m"}', "[]", ""]) {
    expect(asked("/v1/completions", odd)).toBe(odd);
  }
});
