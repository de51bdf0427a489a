/*
 * Gemini signs its calls and refuses a conversation in which a signature is missing. Most clients
 * send back of a call what OpenAI documents and nothing else, so the signature travels in the one
 * member that every client must keep: the call's id.
 */

/** In no id of any provider known to us, and in no base64. */
const separator = "~";

/** The id that a client gets for a signed call. */
export function signedId(id: string, signature: string | undefined): string {
  return signature === undefined ? id : `${id}${separator}${signature}`;
}

/** The provider's own id of a call. */
export function plainId(id: string): string {
  const at = id.indexOf(separator);
  return at < 0 ? id : id.slice(0, at);
}

/** The signature in an id; undefined where there is none. */
export function signatureOfId(id: string): string | undefined {
  const at = id.indexOf(separator);
  return at < 0 ? undefined : id.slice(at + 1);
}
