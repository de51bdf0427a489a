import type { EventEmitter } from "node:events";
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  createHandlerContext,
  type HandlerContext,
  type MethodImplSpec,
} from "@connectrpc/connect";
import {
  createAsyncIterable,
  invokeUnaryImplementation,
  transformInvokeImplementation,
} from "@connectrpc/connect/protocol";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import {
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type ServerDuplexStream,
  type ServerErrorResponse,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { systemClock, WarmpathError } from "../base/index.ts";
import { headersFromMetadata, metadataFromHeaders } from "./grpc-metadata.ts";
import { callTimeoutMsMax } from "./limits.ts";
import { raceAbort } from "./race-abort.ts";
import { readEach } from "./read-each.ts";
import { connectErrorFromWarmpath } from "./rescue.ts";
import type { MountedRpc } from "./server.ts";

/**
 * One implementation as the four kinds of handler that grpc-js knows; messages are bytes to
 * grpc-js.
 */
export function grpcHandler(
  rpc: MountedRpc,
  spec: MethodImplSpec,
):
  | handleUnaryCall<Buffer, Uint8Array>
  | handleServerStreamingCall<Buffer, Uint8Array>
  | handleClientStreamingCall<Buffer, Uint8Array>
  | handleBidiStreamingCall<Buffer, Uint8Array> {
  switch (spec.kind) {
    case "unary":
      return unaryHandler(rpc, spec);
    case "client_streaming":
      return clientStreamHandler(rpc, spec);
    case "server_streaming":
      return (call: ServerWritableStream<Buffer, Uint8Array>) =>
        void answerStream(rpc, spec, call, () =>
          createAsyncIterable([decode(spec.method.input, call.request)]),
        );
    case "bidi_streaming":
      return (call: BidiCall) =>
        void answerStream(rpc, spec, call, (context) => decodeEach(spec, call, context));
  }
}

function unaryHandler(
  rpc: MountedRpc,
  spec: MethodImplSpec & { kind: "unary" },
): handleUnaryCall<Buffer, Uint8Array> {
  return (call, callback) =>
    void answerOnce(rpc, spec, call, callback, async (context) => {
      const input = decode(spec.method.input, call.request);
      return await invokeUnaryImplementation(spec, context, input, rpc.interceptors);
    });
}

function clientStreamHandler(
  rpc: MountedRpc,
  spec: MethodImplSpec & { kind: "client_streaming" },
): handleClientStreamingCall<Buffer, Uint8Array> {
  return (call, callback) =>
    void answerOnce(rpc, spec, call, callback, async (context) => {
      const input = decodeEach(spec, call, context);
      const outputs = transformInvokeImplementation(spec, context, rpc.interceptors)(input);
      for await (const output of outputs) {
        return output;
      }
      throw new ConnectError("the implementation answered nothing", Code.Internal);
    });
}

async function answerOnce(
  rpc: MountedRpc,
  spec: MethodImplSpec,
  call: AnyCall,
  callback: sendUnaryData<Uint8Array>,
  answer: (context: HandlerContext) => Promise<MessageShape<DescMessage>>,
): Promise<void> {
  const context = openContext(spec, call);
  try {
    await rpc.gate(context);
    const output = toBinary(spec.method.output, await answer(context));
    sendHeader(call, context);
    callback(null, output, metadataFromHeaders(context.responseTrailer));
    context.abort();
  } catch (error) {
    callback(statusOf(error, context));
    context.abort(error);
  }
}

/** What the two kinds of grpc-js call that write have in common. */
type WritingCall = ServerWritableStream<Buffer, Uint8Array> | BidiCall;
type BidiCall = ServerDuplexStream<Buffer, Uint8Array>;
type ReadingCall = ServerReadableStream<Buffer, Uint8Array> | BidiCall;
type AnyCall = ServerUnaryCall<Buffer, Uint8Array> | WritingCall | ReadingCall;

async function answerStream(
  rpc: MountedRpc,
  spec: MethodImplSpec,
  call: WritingCall,
  inputOf: (context: HandlerContext) => AsyncIterable<MessageShape<DescMessage>>,
): Promise<void> {
  const context = openContext(spec, call);
  try {
    await rpc.gate(context);
    const invoke = transformInvokeImplementation(spec, context, rpc.interceptors);
    let headerSent = false;
    for await (const output of invoke(inputOf(context))) {
      if (!headerSent) {
        headerSent = true;
        sendHeader(call, context);
      }
      if (!call.write(toBinary(spec.method.output, output))) {
        await drained(call, context.signal);
      }
    }
    if (!headerSent) {
      sendHeader(call, context);
    }
    call.end(metadataFromHeaders(context.responseTrailer));
    context.abort();
  } catch (error) {
    // Emitting the error is grpc-js's way of ending a stream with a status.
    call.emit("error", statusOf(error, context));
    context.abort(error);
  }
}

/** Waits until the receiver has room again, or has gone. */
async function drained(call: WritingCall, signal: AbortSignal): Promise<void> {
  let onDrain: () => void = () => undefined;
  const drain = new Promise<void>((resolve) => {
    onDrain = resolve;
    call.once("drain", onDrain);
  });
  try {
    await raceAbort(signal, drain);
  } finally {
    call.removeListener("drain", onDrain);
  }
}

type Context = ReturnType<typeof createHandlerContext>;

function openContext(spec: MethodImplSpec, call: AnyCall): Context {
  const gone = new AbortController();
  // A union of call kinds has no common overload of `on`; all of them are emitters.
  (call as EventEmitter).on("cancelled", () => {
    gone.abort(new ConnectError("the caller cancelled or went away", Code.Canceled));
  });
  const timeoutMs = timeoutOf(call);
  return createHandlerContext({
    service: spec.method.parent,
    method: spec.method,
    protocolName: "grpc",
    requestMethod: "POST",
    url: `http://${call.getHost()}${call.getPath()}`,
    requestSignal: gone.signal,
    requestHeader: headersFromMetadata(call.metadata),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
}

function timeoutOf(call: AnyCall): number | undefined {
  const deadline = call.getDeadline();
  const deadlineMs = deadline instanceof Date ? deadline.getTime() : deadline;
  // A relative span is wanted, and grpc-js only tells the wall-clock time it computed from one.
  const leftMs = deadlineMs - systemClock.nowMs();
  return leftMs <= callTimeoutMsMax ? Math.max(0, leftMs) : undefined;
}

/**
 * Sends headers only when there are some: a failure that sent none is retried by proxies in
 * between.
 */
function sendHeader(call: AnyCall, context: HandlerContext): void {
  const metadata = metadataFromHeaders(context.responseHeader);
  if (Object.keys(metadata.getMap()).length > 0) {
    call.sendMetadata(metadata);
  }
}

function decode<D extends DescMessage>(schema: D, bytes: Uint8Array): MessageShape<D> {
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    const message = "the request is not a valid protobuf message";
    throw new WarmpathError("rejected-invalid", message, { cause: error });
  }
}

async function* decodeEach(
  spec: MethodImplSpec,
  call: ReadingCall,
  context: HandlerContext,
): AsyncIterable<MessageShape<DescMessage>> {
  for await (const bytes of readEach(call, context.signal)) {
    yield decode(spec.method.input, bytes);
  }
  // A caller that went away has not said all it wanted to.
  context.signal.throwIfAborted();
}

/** The status with its details, and the error's metadata as trailers. */
function statusOf(thrown: unknown, context: HandlerContext): ServerErrorResponse {
  const error =
    thrown instanceof ConnectError ? thrown : connectErrorFromWarmpath(WarmpathError.from(thrown));
  const trailer = new Headers(context.responseTrailer);
  setTrailerStatus(trailer, error);
  const metadata = trailer.has("grpc-status") ? metadataFromHeaders(trailer) : new Metadata();
  return {
    name: "ServiceError",
    message: error.rawMessage,
    // Connect and gRPC number their codes alike.
    code: error.code as number,
    details: error.rawMessage,
    metadata,
  };
}
