/** How one task went, as its watcher saw it. */
export interface TaskOutcome {
  readonly state: "completed" | "failed" | "cancelled";
  /** The answer, or why there is none. */
  readonly text: string;
  /** Model answers recorded for the task. */
  readonly steps: number;
}

/**
 * A caller of the gateway over the Connect protocol in JSON: no generated code, nothing of the
 * system in-process.
 */
export interface AgentClient {
  submit(agent: string, text: string): Promise<string>;
  /** Follows a task to its end. */
  watch(taskId: string, signal: AbortSignal): Promise<TaskOutcome>;
}

const service = "/warmpath.gateway.v1.AgentService";
/** Bytes before each message of a Connect stream: one of flags, four of length. */
const envelopeHeadBytes = 5;
const endOfStreamFlag = 2;

/** A client for one gateway and key. */
export function createAgentClient(gatewayUrl: string, key: string): AgentClient {
  const authorization = `Bearer ${key}`;
  return {
    async submit(agent, text) {
      const response = await fetch(`${gatewayUrl}${service}/SubmitTask`, {
        method: "POST",
        headers: { authorization, "content-type": "application/json" },
        body: JSON.stringify({ agent, message: { text } }),
      });
      const answer: unknown = await response.json();
      if (!response.ok) {
        throw new Error(`SubmitTask: ${response.status} ${JSON.stringify(answer)}`);
      }
      // The gateway's contract: SubmitTaskResponse in JSON.
      return (answer as { taskId: string }).taskId;
    },
    async watch(taskId, signal) {
      const response = await fetch(`${gatewayUrl}${service}/WatchTask`, {
        method: "POST",
        headers: { authorization, "content-type": "application/connect+json" },
        body: enveloped(JSON.stringify({ taskId })),
        signal,
      });
      if (!response.ok || response.body === null) {
        throw new Error(`WatchTask: ${response.status} ${await response.text()}`);
      }
      return outcomeOf(messagesOf(response.body));
    },
  };
}

interface WatchMessage {
  readonly event?: {
    readonly modelAnswered?: object;
    readonly completed?: { readonly answer?: string };
    readonly failed?: { readonly failure?: { readonly message?: string } };
    readonly cancelled?: object;
  };
  readonly error?: { readonly code?: string; readonly message?: string };
}

async function outcomeOf(messages: AsyncIterable<WatchMessage>): Promise<TaskOutcome> {
  let steps = 0;
  for await (const { event, error } of messages) {
    if (error !== undefined) throw new Error(`WatchTask: ${error.code}: ${error.message}`);
    if (event?.modelAnswered !== undefined) steps += 1;
    if (event?.completed !== undefined) {
      return { state: "completed", text: event.completed.answer ?? "", steps };
    }
    if (event?.failed !== undefined) {
      return { state: "failed", text: event.failed.failure?.message ?? "", steps };
    }
    if (event?.cancelled !== undefined) return { state: "cancelled", text: "", steps };
  }
  throw new Error("WatchTask ended before the task did");
}

async function* messagesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<WatchMessage> {
  let bytes: Buffer = Buffer.alloc(0);
  for await (const chunk of body) {
    bytes = bytes.length === 0 ? Buffer.from(chunk) : Buffer.concat([bytes, chunk]);
    while (bytes.length >= envelopeHeadBytes) {
      const end = envelopeHeadBytes + bytes.readUInt32BE(1);
      if (bytes.length < end) break;
      const text = bytes.toString("utf8", envelopeHeadBytes, end);
      const isEnd = bytes.readUInt8(0) === endOfStreamFlag;
      bytes = bytes.subarray(end);
      // The gateway's contract: WatchTaskResponse, or at the end an object that may hold an error.
      yield JSON.parse(text === "" ? "{}" : text) as WatchMessage;
      if (isEnd) return;
    }
  }
}

function enveloped(json: string): Uint8Array<ArrayBuffer> {
  const payload = Buffer.from(json, "utf8");
  const head = Buffer.alloc(envelopeHeadBytes);
  head.writeUInt32BE(payload.length, 1);
  return Buffer.concat([head, payload]);
}
