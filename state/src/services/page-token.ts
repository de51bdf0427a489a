import { createHash } from "node:crypto";
import { WarmpathError } from "@warmpath/runtime/base";

/**
 * Bytes of the digest in a token: enough to notice any change; a token grants nothing beyond its
 * list.
 */
const digestBytes = 12;

/**
 * Opaque token that continues a list after `position`. `scope` says which list of whom: a token of
 * another list is refused like an altered one.
 */
export function formatPageToken(position: readonly string[], scope: readonly string[]): string {
  const body = Buffer.from(JSON.stringify(position));
  return Buffer.concat([digest(body, scope), body]).toString("base64url");
}

/** The position inside a token; undefined for the empty one. Throws `rejected-cursor`. */
export function parsePageToken(
  token: string,
  scope: readonly string[],
  positionLength: number,
): readonly string[] | undefined {
  if (token === "") {
    return undefined;
  }
  const bytes = Buffer.from(token, "base64url");
  const body = bytes.subarray(digestBytes);
  const isOurs =
    bytes.length > digestBytes &&
    bytes.toString("base64url") === token &&
    digest(body, scope).equals(bytes.subarray(0, digestBytes));
  if (isOurs) {
    // The digest was made by `formatPageToken`, from an array of texts.
    const position = JSON.parse(body.toString()) as string[];
    if (position.length === positionLength) {
      return position;
    }
  }
  throw new WarmpathError("rejected-cursor", "pageToken was not made for this list", {
    fields: [{ field: "pageToken", fault: "was not made for this list" }],
  });
}

function digest(body: Uint8Array, scope: readonly string[]): Buffer {
  return createHash("sha256")
    .update(JSON.stringify(scope))
    .update(body)
    .digest()
    .subarray(0, digestBytes);
}
