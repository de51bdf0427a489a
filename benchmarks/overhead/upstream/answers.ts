import { blankMark, writeMark } from "../token-mark.ts";

const id = "chatcmpl-mock";
const usage = { prompt_tokens: 256, total_tokens: 266, completion_tokens: 10 };

function answered(status: string, type: string, body: string): Buffer {
  const head = `HTTP/1.1 ${status}\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`;
  return Buffer.from(head + body);
}

const json = (value: unknown) => answered("200 OK", "application/json", JSON.stringify(value));

/** A whole chat answer of about 0.4 KB. */
export const wholeAnswer = json({
  id,
  object: "chat.completion",
  created: 1_700_000_000,
  model: "mock",
  choices: [
    {
      index: 0,
      message: { role: "assistant", content: "[simulated] A constant answer of a mock upstream." },
      finish_reason: "stop",
    },
  ],
  usage,
});

/**
 * The other paths of an engine: just enough to be admitted to a pool. Owned by `vllm`, because some
 * gateways ask the list of models what stands behind it.
 */
export const fixedAnswers: Readonly<Record<string, Buffer>> = {
  "/v1/models": json({
    object: "list",
    data: [{ id: "mock", object: "model", created: 1_700_000_000, owned_by: "vllm" }],
  }),
  "/metrics": answered(
    "200 OK",
    "text/plain",
    'vllm:num_requests_running{engine="0",model_name="mock"} 0.0\n',
  ),
  "/health": answered("200 OK", "text/plain", ""),
};

export const notFound = answered("404 Not Found", "application/json", '{"detail":"Not Found"}');

/** A JSON answer made on the spot, for the mock's own paths. */
export const jsonAnswer = json;

function chunk(delta: object, finishReason: string | null): string {
  return event({
    id,
    object: "chat.completion.chunk",
    created: 1_700_000_000,
    model: "mock",
    choices: [{ index: 0, delta, finish_reason: finishReason }],
  });
}

const event = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
const inChunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;

const streamHead =
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";
const tokenChunk = inChunk(chunk({ content: blankMark }, null));
const roleChunk = inChunk(chunk({ role: "assistant", content: "" }, null));
const usageEvent = event({
  id,
  object: "chat.completion.chunk",
  created: 1_700_000_000,
  model: "mock",
  choices: [],
  usage,
});
const done = "data: [DONE]\n\n";
const finish = chunk({}, "stop");

/** The end of a stream: the reason, the usage where it was asked for, the last chunk. */
export const closing = Buffer.from(`${inChunk(finish + done)}0\r\n\r\n`);
export const closingWithUsage = Buffer.from(`${inChunk(finish + usageEvent + done)}0\r\n\r\n`);

const opening = stamped(streamHead + roleChunk + tokenChunk);
const token = stamped(tokenChunk);

/** Head, role and first token of a stream; the bytes are overwritten by the next call. */
export const openingBytes = (madeUs: number) => opening(0, madeUs);
/** One further token (about 190 bytes); the bytes are overwritten by the next call. */
export const tokenBytes = token;

function stamped(text: string): (number: number, madeUs: number) => Buffer {
  const bytes = Buffer.from(text);
  const offset = bytes.indexOf(blankMark);
  return (number, madeUs) => {
    writeMark(bytes, offset, number, madeUs);
    return bytes;
  };
}
