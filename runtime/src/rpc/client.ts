import type {
  DescMessage,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import {
  type CallOptions as ConnectCallOptions,
  createClient,
  type Transport,
} from "@connectrpc/connect";
import { WarmpathError } from "../base/index.ts";
import { type Principal, type PrincipalSigner, principalHeader } from "../principal.ts";
import { attributes } from "../telemetry/attributes.ts";
import type { OpenSpan, Tracing } from "../telemetry/tracing.ts";

/** What accompanies every call. */
export interface CallOptions {
  /** On whose behalf; never left out, so that no call is made on nobody's. */
  readonly principal: Principal;
  /** Cancels the call at the server too. */
  readonly signal?: AbortSignal | undefined;
  /** Deadline of this call, in ms from now. */
  readonly timeoutMs?: number | undefined;
  readonly headers?: HeadersInit | undefined;
}

/** A client of one service; failures are `WarmpathError`s with the server's reason. */
export type ServiceClient<S extends DescService> = {
  readonly [P in keyof S["method"]]: S["method"][P] extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options: CallOptions) => Promise<MessageShape<O>>
    : S["method"][P] extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageInitShape<I>, options: CallOptions) => AsyncIterable<MessageShape<O>>
      : S["method"][P] extends DescMethodClientStreaming<infer I, infer O>
        ? (requests: Requests<I>, options: CallOptions) => Promise<MessageShape<O>>
        : S["method"][P] extends DescMethodBiDiStreaming<infer I, infer O>
          ? (requests: Requests<I>, options: CallOptions) => AsyncIterable<MessageShape<O>>
          : never;
};

type Requests<I extends DescMessage> = AsyncIterable<MessageInitShape<I>>;

/** How a client speaks. */
export interface ServiceClientOptions {
  /** Signs the principal; undefined sends none, for services outside ours. */
  readonly signer: PrincipalSigner | undefined;
  readonly tracing: Tracing;
  /** Deadline of unary calls that name none, in ms. Streams have none unless the call names one. */
  readonly timeoutMs: number;
}

/**
 * Calls a service through any transport: in this process or over gRPC is the transport's affair.
 */
export function createServiceClient<S extends DescService>(
  service: S,
  transport: Transport,
  options: ServiceClientOptions,
): ServiceClient<S> {
  const inner = createClient(service, transport);
  const methods: Record<string, unknown> = {};
  for (const method of service.methods) {
    const name = `${service.typeName}/${method.name}`;
    // connect-es types its client by the same table of methods; by name it is a record of
    // functions.
    const call = (inner as unknown as Record<string, AnyCall>)[method.localName] as AnyCall;
    const isUnary = method.methodKind === "unary";
    const answersOnce = isUnary || method.methodKind === "client_streaming";
    const timeoutMs = isUnary ? options.timeoutMs : undefined;
    methods[method.localName] = answersOnce
      ? (request: unknown, callOptions: CallOptions) =>
          callOnce(options, name, (open) => call(request, open(callOptions, timeoutMs)) as Once)
      : (request: unknown, callOptions: CallOptions) =>
          callMany(options, name, (open) => call(request, open(callOptions, timeoutMs)) as Many);
  }
  // One function a method was made above, of the kind its descriptor states.
  return methods as ServiceClient<S>;
}

type Once = Promise<unknown>;
type Many = AsyncIterable<unknown>;
type AnyCall = (request: unknown, options: ConnectCallOptions) => Once | Many;
type Open = (options: CallOptions, timeoutMs: number | undefined) => ConnectCallOptions;

function openSpan(options: ServiceClientOptions, name: string): { span: OpenSpan; open: Open } {
  const span = options.tracing.open(name, {
    kind: "client",
    attributes: { [attributes.rpcSystem]: "grpc", [attributes.rpcMethod]: name },
  });
  const open: Open = (callOptions, timeoutMs) => {
    const headers = new Headers(callOptions.headers);
    for (const [key, value] of Object.entries(options.tracing.headers())) {
      headers.set(key, value);
    }
    if (options.signer !== undefined) {
      headers.set(principalHeader, options.signer.sign(callOptions.principal));
    }
    const { signal } = callOptions;
    const limit = callOptions.timeoutMs ?? timeoutMs;
    return {
      headers,
      ...(signal === undefined ? {} : { signal }),
      ...(limit === undefined ? {} : { timeoutMs: Math.ceil(limit) }),
    };
  };
  return { span, open };
}

async function callOnce(
  options: ServiceClientOptions,
  name: string,
  call: (open: Open) => Once,
): Once {
  const { span, open } = openSpan(options, name);
  try {
    const answer = await span.run(() => call(open));
    span.end();
    return answer;
  } catch (thrown) {
    const error = WarmpathError.from(thrown);
    span.end(error);
    throw error;
  }
}

async function* callMany(
  options: ServiceClientOptions,
  name: string,
  call: (open: Open) => Many,
): AsyncGenerator<unknown> {
  const { span, open } = openSpan(options, name);
  const left = new AbortController();
  const openUntilLeft: Open = (callOptions, timeoutMs) => {
    const signals = callOptions.signal === undefined ? [] : [callOptions.signal];
    return open({ ...callOptions, signal: AbortSignal.any([left.signal, ...signals]) }, timeoutMs);
  };
  try {
    yield* span.run(() => call(openUntilLeft));
    span.end();
  } catch (thrown) {
    const error = WarmpathError.from(thrown);
    span.end(error);
    throw error;
  } finally {
    // A consumer that stops early arrives here only; not every transport tells the server by
    // itself.
    left.abort();
    span.end();
  }
}
