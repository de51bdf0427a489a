import { ConnectError } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { createAsyncIterable, readAllBytes } from "@connectrpc/connect/protocol";
import { errorFromJsonBytes, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { WarmpathError } from "../base/index.ts";
import { httpStatus } from "./http-error.ts";
import { connectErrorFromWarmpath } from "./rescue.ts";

/** Errors on the wire are small; anything larger was not made by us. */
const errorBytesMax = 256 * 1024;

/**
 * Gives the errors that connect-es answers before any interceptor runs (malformed JSON, an unknown
 * field, a body over the limit) the same details, sentence and status as our own. Only unary
 * Connect calls need it: their error is the whole body; in streams it passes through the
 * interceptors.
 */
export function describedErrors(handler: UniversalHandler): UniversalHandler {
  const { protocolNames, service, method, requestPath, allowedMethods, supportedContentType } =
    handler;
  const described = async (request: Parameters<UniversalHandler>[0]) => {
    const response = await handler(request);
    return response.status >= 400 ? await describe(response) : response;
  };
  return Object.assign(described, {
    protocolNames,
    service,
    method,
    requestPath,
    allowedMethods,
    supportedContentType,
  });
}

async function describe(response: UniversalServerResponse): Promise<UniversalServerResponse> {
  const header = new Headers(response.header);
  const refusal = refusals[response.status];
  if (response.body === undefined && refusal !== undefined) {
    const error = new WarmpathError("rejected-unimplemented", refusal);
    header.set("content-type", "application/json");
    return { ...response, header, body: jsonBody(header, connectErrorFromWarmpath(error)) };
  }
  if (response.body === undefined || !header.get("content-type")?.startsWith("application/json")) {
    return response;
  }
  const bytes = await readAllBytes(response.body, errorBytesMax);
  const unreadable = new ConnectError("internal error");
  const read = errorFromJsonBytes(bytes, undefined, unreadable);
  const error = WarmpathError.from(read);
  const described = read.details.length > 0 ? read : connectErrorFromWarmpath(error);
  return { ...response, status: httpStatus(error), header, body: jsonBody(header, described) };
}

/** What connect-es answers with a bare status, said in a sentence. */
const refusals: Record<number, string> = {
  405: "this method is called with POST",
  415: "send the request as content-type application/json, application/proto or grpc-web",
};

function jsonBody(header: Headers, error: ConnectError): AsyncIterable<Uint8Array> {
  const bytes = errorToJsonBytes(error, undefined);
  header.set("content-length", String(bytes.byteLength));
  return createAsyncIterable([bytes]);
}
