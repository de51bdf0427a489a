import { SplicedBytes } from "@warmpath/runtime/http1";

/** What is sent to an upstream: the client's own bytes, or these with what must be ours put in. */
export type RequestBody = Uint8Array<ArrayBuffer> | SplicedBytes;

/** A body in one piece. */
export function bytesOf(body: RequestBody): Uint8Array<ArrayBuffer> {
  return body instanceof SplicedBytes ? body.toBytes() : body;
}
