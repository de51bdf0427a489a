import type { ClientCodec, UpstreamCodec } from "../types.ts";
import { readAnswer, writeAnswer } from "./answer.ts";
import { readRequest } from "./read-request.ts";
import { createReader } from "./read-stream.ts";
import { writeRequest } from "./write-request.ts";
import { createWriter } from "./write-stream.ts";

/** OpenAI's responses. */
export const responsesCodec: ClientCodec & UpstreamCodec = {
  readRequest,
  writeRequest,
  readAnswer,
  writeAnswer,
  createReader,
  createWriter,
};
