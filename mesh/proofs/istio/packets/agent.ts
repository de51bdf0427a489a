/**
 * Runs inside a pod and calls others from there: `bun agent.ts`, orders on stdin, answers on
 * stdout. Its principal is signed with the key in PACKETS_PRINCIPAL_KEY.
 */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import {
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  fromJson,
  type JsonValue,
  toJson,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import * as gateway from "@warmpath/proto/gateway";
import * as inference from "@warmpath/proto/inference";
import * as state from "@warmpath/proto/state";
import { createPrincipalSigner, createServiceTransport, principalHeader } from "@warmpath/runtime";
import { messageOf, systemClock } from "@warmpath/runtime/base";
import type { GrpcAnswer, HttpAnswer, Order, TokensAnswer } from "./agent-protocol.ts";
import { followTask } from "./follow-task.ts";
import { knockAll } from "./knock.ts";

const callMsMax = 10_000;

/** Whose word is taken for who an https server is. */
const tls = { ca: readFileSync(process.env["PACKETS_CA"] ?? "", "utf8") };

type Of<K extends Order["op"]> = Extract<Order, { op: K }>;

const services: readonly DescService[] = [gateway, inference, state].flatMap((module) =>
  Object.values(module as Readonly<Record<string, unknown>>).filter(isService),
);
const transports = new Map<string, Transport>();

function isService(value: unknown): value is DescService {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "service";
}

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === "unary";
}

function isServerStream(method: DescMethod): method is DescMethodServerStreaming {
  return method.methodKind === "server_streaming";
}

function transportOf(url: string): Transport {
  const transport = transports.get(url) ?? createServiceTransport({ url });
  transports.set(url, transport);
  return transport;
}

function methodOf(path: string): DescMethod {
  const [typeName, name] = path.split("/");
  const service = services.find((each) => each.typeName === typeName);
  const method = service?.methods.find((each) => each.name === name);
  if (method === undefined) {
    throw new Error(`there is no method ${path}`);
  }
  return method;
}

async function callHttp(order: Of<"http">): Promise<HttpAnswer> {
  try {
    const response = await fetch(order.url, {
      method: order.method ?? "GET",
      ...(order.headers && { headers: order.headers }),
      ...(order.body !== undefined && { body: order.body }),
      signal: AbortSignal.timeout(order.timeoutMs ?? callMsMax),
      keepalive: false,
      tls,
    });
    const text = await response.text();
    return { status: response.status, text, headers: Object.fromEntries(response.headers) };
  } catch (error) {
    return { status: 0, text: messageOf(error), headers: {} };
  }
}

function signedPrincipal(): string {
  const signer = createPrincipalSigner([process.env["PACKETS_PRINCIPAL_KEY"] ?? ""], systemClock);
  return signer.sign({ tenant: "dev", user: "developer", keyId: "", agentChain: [] });
}

async function callGrpc(order: Of<"grpc">): Promise<GrpcAnswer> {
  const startedAtMs = performance.now();
  const method = methodOf(order.method);
  const transport = transportOf(order.url);
  // Read back as the very message that the descriptor names.
  const request = fromJson(method.input, (order.request ?? {}) as JsonValue);
  const headers = { [principalHeader]: signedPrincipal(), ...order.headers };
  const abort = new AbortController();
  let messages = 0;
  let last: unknown;
  let failure: unknown;
  const { timeoutMs = callMsMax, messagesMax = 0 } = order;
  try {
    if (isUnary(method)) {
      const { message } = await transport.unary(method, abort.signal, timeoutMs, headers, request);
      last = toJson(method.output, message);
      messages = 1;
    } else if (isServerStream(method)) {
      const input = [request][Symbol.iterator]();
      const each = { [Symbol.asyncIterator]: () => ({ next: async () => input.next() }) };
      const answer = await transport.stream(method, abort.signal, timeoutMs, headers, each);
      for await (const _ of answer.message) {
        messages += 1;
        if (messages === messagesMax) {
          break;
        }
      }
    }
  } catch (error) {
    failure = error;
  }
  abort.abort();
  const error = failure === undefined ? undefined : ConnectError.from(failure);
  const code = error === undefined ? "ok" : (Code[error.code] ?? "");
  const ms = Math.round(performance.now() - startedAtMs);
  return { code, message: error?.rawMessage ?? "", messages, last, ms };
}

/** Reads a chat completion as server-sent events; says "first" when its first token came. */
async function readTokens(
  { url, headers, body }: Of<"tokens">,
  say: (event: string) => void,
): Promise<TokensAnswer> {
  const startedAtMs = performance.now();
  let text = "";
  let chunks = 0;
  let status = 0;
  let isDone = false;
  let error = "";
  try {
    const response = await fetch(url, { method: "POST", headers, body, tls });
    status = response.status;
    let rest = "";
    const decoder = new TextDecoder();
    for await (const bytes of response.body ?? []) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines.filter((each) => each.startsWith("data: "))) {
        const data = line.slice("data: ".length);
        isDone ||= data === "[DONE]";
        const delta = data === "[DONE]" ? "" : contentOf(data);
        if (delta !== "" && chunks === 0) {
          say("first");
        }
        chunks += delta === "" ? 0 : 1;
        text += delta;
      }
    }
  } catch (thrown) {
    error = messageOf(thrown);
  }
  return { status, chunks, text, isDone, error, ms: Math.round(performance.now() - startedAtMs) };
}

function contentOf(data: string): string {
  // A chunk as OpenAI documents it.
  const chunk = JSON.parse(data) as { choices?: { delta?: { content?: string | null } }[] };
  return chunk.choices?.[0]?.delta?.content ?? "";
}

async function obey(order: Order, say: (event: string) => void): Promise<unknown> {
  switch (order.op) {
    case "http":
      return callHttp(order);
    case "grpc":
      return callGrpc(order);
    case "knock":
      return knockAll(order);
    case "tokens":
      return readTokens(order, say);
    case "task":
      return followTask(order, tls, say);
    default:
      return order satisfies never;
  }
}

function answer(line: unknown): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

if (import.meta.main) {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    // The one who writes is rig.ts, and the type is the same there.
    const { id, order } = JSON.parse(line) as { id: number; order: Order };
    const say = (event: string) => answer({ id, event });
    obey(order, say).then(
      (result) => answer({ id, result }),
      (error: unknown) => answer({ id, result: { failure: messageOf(error) } }),
    );
  });
  lines.on("close", () => process.exit(0));
  answer({ ready: true });
}
