/** Requests, answers and streams of one format in the words of another. Pure: JSON in, JSON out. */
export { arrayOf, isObject, numberOf, objectOf, parseExactJson, textOf } from "./json.ts";
export { createStreamTranslator, type StreamTranslator } from "./stream.ts";
export { translateAnswer, translateRequest } from "./translate.ts";
export type { ClientFormat, Format, JsonObject, StreamError, WriteTarget } from "./types.ts";
