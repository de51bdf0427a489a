import type { UpstreamCodec } from "../types.ts";
import { readAnswer } from "./answer.ts";
import { createReader } from "./read-stream.ts";
import { writeRequest } from "./write-request.ts";

/** Google's generateContent. */
export const geminiCodec: UpstreamCodec = { writeRequest, readAnswer, createReader };
