import { WarmpathError } from "@warmpath/runtime/base";
import type { UpstreamError } from "../upstream/error-body.ts";
import type { BodyMembers } from "./engine-controls.ts";

/*
 * OpenAI's responses can be kept by the server and gone on from. Here they are not: an upstream's
 * store knows no tenants, and the next turn may be served by another upstream. Clients send the
 * items of earlier turns instead, which is also what a prefix cache wants.
 */

/** Members that ask for a stored response, and the values that do not. */
const storedMembers: Readonly<Record<string, unknown>> = {
  previous_response_id: null,
  conversation: null,
  background: false,
};

/** Throws `rejected-invalid` for a request that leans on a stored response, naming the member. */
export function refuseStored(body: BodyMembers): void {
  for (const [field, meaningless] of Object.entries(storedMembers)) {
    const value = body.has(field) ? body.read(field) : null;
    if (value !== null && value !== meaningless) {
      const fault = "is not supported: no response is stored here; send the earlier items as input";
      throw new WarmpathError("rejected-invalid", `\`${field}\` ${fault}.`, {
        fields: [{ field, fault }],
      });
    }
  }
}

const storedPath = "/v1/responses/";

/** The answer to whoever asks for a stored response by its id; undefined for every other path. */
export function storedFault(path: string): UpstreamError | undefined {
  return path.startsWith(storedPath)
    ? {
        message: "There is no response of this id: none is stored here.",
        type: "invalid_request_error",
        param: "response_id",
        code: "response_not_found",
        status: 404,
      }
    : undefined;
}
