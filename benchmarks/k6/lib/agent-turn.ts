import { Counter } from "k6/metrics";
import grpc from "k6/net/grpc";
import { plan } from "./environment.ts";
import { addFailure, addTurn } from "./metrics.ts";

const service = "warmpath.gateway.v1.AgentService";
const turnTimeoutMs = 60_000;
const nanoDollars = 1e-9;

const toolCalls = new Counter("tool_calls");
const modelAnswers = new Counter("model_answers");

const client = new grpc.Client();
client.loadProtoset(plan.protoset);

/** One message to an agent. */
export interface AgentTurn {
  readonly agent: string;
  readonly threadId: string;
  readonly text: string;
  readonly sloClass: "interactive" | "agent" | "batch";
  readonly tags: Readonly<Record<string, string>>;
}

/** A watched update of a task, as k6 decodes it. */
interface Update {
  readonly delta?: { readonly text?: string };
  readonly event?: {
    readonly toolFinished?: object;
    readonly modelAnswered?: {
      readonly replica?: string;
      readonly usage?: {
        readonly inputTokens?: string;
        readonly cachedInputTokens?: string;
        readonly outputTokens?: string;
        readonly costNanodollars?: string;
      };
    };
    readonly completed?: { readonly answer?: string };
    readonly failed?: object;
    readonly cancelled?: object;
  };
}

/** Opens this virtual user's connection to the gateway. */
export function connect(): void {
  client.connect(plan.gatewayGrpc, { plaintext: true, timeout: "5s" });
}

/** Closes it. */
export function disconnect(): void {
  client.close();
}

/**
 * Submits a message and watches its task to the end over native gRPC, which gives the time of every
 * piece of text. Resolves to the answer, or to an empty text when the task failed.
 */
export function askAgent(turn: AgentTurn): Promise<string> {
  const metadata = { authorization: `Bearer ${plan.key}` };
  const sentMs = Date.now();
  const submitted = client.invoke(
    `${service}/SubmitTask`,
    {
      agent: turn.agent,
      message: { text: turn.text },
      thread_id: turn.threadId,
      lane: "LANE_INTERACTIVE",
    },
    { metadata, timeout: "10s" },
  );
  if (submitted.status !== grpc.StatusOK) {
    addFailure(`SubmitTask: ${JSON.stringify(submitted.error)}`, turn.sloClass, turn.tags);
    return Promise.resolve("");
  }
  const { taskId } = submitted.message as { taskId: string };
  return watch(taskId, turn, sentMs);
}

function watch(taskId: string, turn: AgentTurn, sentMs: number): Promise<string> {
  return new Promise((resolve) => {
    const stampsMs: number[] = [];
    const usage = { input: 0, cached: 0, output: 0 };
    let costUsd = 0;
    let lastAnswerTokens = 0;
    let result: string | undefined;
    const fail = (why: string) => {
      if (result !== undefined) return;
      result = "";
      addFailure(`task ${taskId}: ${why}`, turn.sloClass, turn.tags);
    };
    const stream = new grpc.Stream(client, `${service}/WatchTask`, {
      metadata: { authorization: `Bearer ${plan.key}` },
      timeout: `${turnTimeoutMs}ms`,
    });
    stream.on("data", (data) => {
      const { delta, event } = data as Update;
      if (delta?.text) stampsMs.push(Date.now() - sentMs);
      if (event?.toolFinished !== undefined) toolCalls.add(1);
      if (event?.modelAnswered !== undefined) {
        const spent = event.modelAnswered.usage;
        modelAnswers.add(1, { replica: event.modelAnswered.replica ?? "" });
        usage.input += Number(spent?.inputTokens ?? 0);
        usage.cached += Number(spent?.cachedInputTokens ?? 0);
        lastAnswerTokens = Number(spent?.outputTokens ?? 0);
        usage.output += lastAnswerTokens;
        costUsd += Number(spent?.costNanodollars ?? 0) * nanoDollars;
      }
      if (event?.completed !== undefined && result === undefined) {
        result = event.completed.answer ?? "";
        const endMs = Date.now() - sentMs;
        addTurn({
          sloClass: turn.sloClass,
          timeToFirstTokenMs: stampsMs[0] ?? endMs,
          gapsMs: stampsMs.slice(1).map((atMs, index) => atMs - (stampsMs[index] ?? 0)),
          endMs,
          usage,
          streamedTokens: Math.max(0, lastAnswerTokens - 1),
          costUsd,
          tags: turn.tags,
        });
      } else if (event?.failed !== undefined || event?.cancelled !== undefined) {
        fail(`ended with ${JSON.stringify(event)}`);
      }
    });
    stream.on("error", (error) => fail(JSON.stringify(error)));
    stream.on("end", () => {
      fail("the stream ended early");
      resolve(result ?? "");
    });
    stream.write({ task_id: taskId });
    stream.end();
  });
}
