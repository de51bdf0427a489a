import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { createMethodUrl } from "@connectrpc/connect/protocol";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { type CallOptions, Client, credentials, Metadata, type StatusObject } from "@grpc/grpc-js";
import { systemClock } from "../base/index.ts";
import { headersFromMetadata, metadataFromHeaders } from "./grpc-metadata.ts";
import {
  defaultRpcLimits,
  keepaliveMs,
  keepaliveTimeoutMs,
  reconnectBackoffMsMax,
} from "./limits.ts";
import { raceAbort } from "./race-abort.ts";
import { readEach } from "./read-each.ts";

/** Where a service is, and the bounds of talking to it. */
export interface ServiceTransportOptions {
  /** `http://host:port` for cleartext, `https://host:port` for TLS. */
  readonly url: string;
  /**
   * Largest message received, in bytes. Default 16 MiB: answers may be larger than what a server
   * accepts.
   */
  readonly messageBytesMax?: number;
}

/** A transport that holds a connection. */
export type ServiceTransport = Transport & { close(): void };

/**
 * Calls a service by native gRPC over one HTTP/2 connection of grpc-js, which reconnects by itself.
 * Connects at the first call.
 */
export function createServiceTransport(options: ServiceTransportOptions): ServiceTransport {
  const url = new URL(options.url);
  const isTls = url.protocol === "https:";
  const address = url.port === "" ? `${url.hostname}:${isTls ? 443 : 80}` : url.host;
  const client = new Client(
    address,
    isTls ? credentials.createSsl() : credentials.createInsecure(),
    {
      "grpc.max_receive_message_length":
        options.messageBytesMax ?? defaultRpcLimits.sentMessageBytesMax,
      "grpc.max_send_message_length": defaultRpcLimits.sentMessageBytesMax,
      "grpc.keepalive_time_ms": keepaliveMs,
      "grpc.keepalive_timeout_ms": keepaliveTimeoutMs,
      "grpc.initial_reconnect_backoff_ms": 50,
      "grpc.max_reconnect_backoff_ms": reconnectBackoffMsMax,
      // Each transport its own connection, so that closing one does not disturb another.
      "grpc.use_local_subchannel_pool": 1,
    },
  );
  return {
    unary: (method, signal, timeoutMs, header, input) =>
      callUnary(client, { method, signal, timeoutMs, header }, input),
    stream: (method, signal, timeoutMs, header, input) =>
      callStream(client, { method, signal, timeoutMs, header }, input),
    close: () => client.close(),
  };
}

interface Call<M extends DescMethod> {
  readonly method: M;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  readonly header: HeadersInit | undefined;
}

function callUnary<I extends DescMessage, O extends DescMessage>(
  client: Client,
  call: Call<DescMethodUnary<I, O>>,
  input: MessageInitShape<I>,
): ReturnType<Transport["unary"]> & Promise<Answer<I, O>> {
  const { method, signal } = call;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(cancelled(signal));
      return;
    }
    let header = new Headers();
    let answer: Buffer | undefined;
    const running = client.makeUnaryRequest(
      createMethodUrl("/", method),
      asBuffer,
      (bytes: Buffer) => bytes,
      toBinary(method.input, create(method.input, input)),
      metadataFromHeaders(new Headers(call.header)),
      optionsOf(call),
      (_error, bytes) => {
        answer = bytes;
      },
    );
    const onAbort = () => running.cancel();
    signal?.addEventListener("abort", onAbort, { once: true });
    running.on("metadata", (metadata) => {
      header = headersFromMetadata(metadata);
    });
    running.on("status", (status) => {
      signal?.removeEventListener("abort", onAbort);
      const error = errorOf(status, signal);
      if (error !== undefined || answer === undefined) {
        reject(error ?? new ConnectError("the server answered nothing", Code.Internal));
        return;
      }
      try {
        const message = fromBinary(method.output, answer);
        const trailer = headersFromMetadata(status.metadata);
        resolve({ stream: false, service: method.parent, method, header, trailer, message });
      } catch (thrown) {
        // Thrown here it would end the process: this runs in grpc-js's event handler.
        reject(thrown);
      }
    });
  });
}

interface Answer<I extends DescMessage, O extends DescMessage> {
  readonly stream: false;
  readonly service: DescMethod["parent"];
  readonly method: DescMethodUnary<I, O>;
  readonly header: Headers;
  readonly trailer: Headers;
  readonly message: MessageShape<O>;
}

async function callStream<I extends DescMessage, O extends DescMessage>(
  client: Client,
  call: Call<DescMethodStreaming<I, O>>,
  input: AsyncIterable<MessageInitShape<I>>,
): Promise<{
  stream: true;
  service: DescMethod["parent"];
  method: DescMethodStreaming<I, O>;
  header: Headers;
  trailer: Headers;
  message: AsyncIterable<MessageShape<O>>;
}> {
  const { method, signal } = call;
  if (signal?.aborted === true) {
    throw cancelled(signal);
  }
  // All three streaming kinds look the same on the wire, so one grpc-js call serves them.
  const running = client.makeBidiStreamRequest<Uint8Array, Buffer>(
    createMethodUrl("/", method),
    asBuffer,
    (bytes) => bytes,
    metadataFromHeaders(new Headers(call.header)),
    optionsOf(call),
  );
  const onAbort = () => running.cancel();
  signal?.addEventListener("abort", onAbort, { once: true });
  const trailer = new Headers();
  const ended = new Promise<StatusObject>((resolve) => {
    running.on("status", (status) => {
      signal?.removeEventListener("abort", onAbort);
      headersFromMetadata(status.metadata).forEach((value, key) => {
        trailer.set(key, value);
      });
      resolve(status);
    });
  });
  // The status says what the error says, and more; unheard errors would end the process.
  running.on("error", () => undefined);
  const headerArrived = new Promise<Headers>((resolve) => {
    running.on("metadata", (metadata) => resolve(headersFromMetadata(metadata)));
  });
  const sending = send(method, input, running, ended);
  const message = receive(method, running, ended, sending, signal);
  const header = await Promise.race([headerArrived, ended.then(() => new Headers())]);
  return { stream: true, service: method.parent, method, header, trailer, message };
}

type RunningCall = ReturnType<typeof Client.prototype.makeBidiStreamRequest<Uint8Array, Buffer>>;

/**
 * Sends the requests as fast as they are taken. Resolves with what the source of requests threw, if
 * it did.
 */
async function send<I extends DescMessage>(
  method: DescMethodStreaming<I>,
  input: AsyncIterable<MessageInitShape<I>>,
  running: RunningCall,
  ended: Promise<StatusObject>,
): Promise<{ thrown: unknown } | undefined> {
  const over = new AbortController();
  void ended.then(() => over.abort());
  const iterator = input[Symbol.asyncIterator]();
  try {
    for (;;) {
      const item = await raceAbort(over.signal, iterator.next());
      if (item.done === true) {
        running.end();
        return undefined;
      }
      if (!running.write(toBinary(method.input, create(method.input, item.value)))) {
        const drain = new Promise<void>((resolve) => running.once("drain", resolve));
        await raceAbort(over.signal, drain);
      }
    }
  } catch (thrown) {
    if (over.signal.aborted) {
      // The call is over: whoever makes requests is told to stop, and what it says to that is of no
      // interest.
      iterator.return?.().catch(() => undefined);
      return undefined;
    }
    running.cancel();
    return { thrown };
  }
}

async function* receive<O extends DescMessage>(
  method: DescMethod & { output: O },
  running: RunningCall,
  ended: Promise<StatusObject>,
  sending: Promise<{ thrown: unknown } | undefined>,
  signal: AbortSignal | undefined,
): AsyncGenerator<MessageShape<O>> {
  let isOver = false;
  try {
    for await (const bytes of readEach(running)) {
      yield fromBinary(method.output, bytes);
    }
    // The end of the messages is not the end of the call: only its status says whether it
    // succeeded.
    const status = await ended;
    isOver = true;
    const error = errorOf(status, signal);
    if (error !== undefined) {
      const sent = await sending;
      throw sent === undefined ? error : sent.thrown;
    }
  } finally {
    if (!isOver) {
      running.cancel();
    }
  }
}

function optionsOf(call: Call<DescMethod>): CallOptions {
  // grpc-js wants the wall-clock time, from which it computes the remaining span again at once.
  return call.timeoutMs === undefined ? {} : { deadline: systemClock.nowMs() + call.timeoutMs };
}

function errorOf(status: StatusObject, signal: AbortSignal | undefined): ConnectError | undefined {
  // Connect and gRPC number their codes alike.
  const code = status.code as number;
  if (code === 0) {
    return undefined;
  }
  if (signal?.aborted === true && code === Code.Canceled) {
    return cancelled(signal);
  }
  const trailer = headersFromMetadata(status.metadata ?? new Metadata());
  if (!trailer.has("grpc-status-details-bin")) {
    return new ConnectError(plainDetails(status.details), code, trailer);
  }
  trailer.set("grpc-status", String(code));
  return findTrailerError(trailer) ?? new ConnectError(status.details, code, trailer);
}

/** grpc-js tells of a refused connection in three sentences, of which the last may be empty. */
function plainDetails(details: string): string {
  const refused = /^No connection established\. Last error: (?:Error: )?(.*?)\. Resolution note:/s;
  const [, last] = refused.exec(details) ?? [];
  const [, cause, address] = /^connect (E[A-Z]+) (\S+)$/.exec(last ?? "") ?? [];
  if (cause !== undefined) {
    return `no connection to ${address} (${cause})`;
  }
  return last === undefined ? details : `no connection: ${last}`;
}

function cancelled(signal: AbortSignal): ConnectError {
  const { reason } = signal;
  return reason instanceof ConnectError
    ? reason
    : new ConnectError("the call was cancelled", Code.Canceled, undefined, undefined, reason);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
