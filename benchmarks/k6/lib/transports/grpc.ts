import grpc from "k6/net/grpc";
import type { ChatAnswer } from "../chat-events.ts";
import { plan } from "../environment.ts";
import type { CallModel } from "./call-model.ts";

const client = new grpc.Client();
client.loadProtoset(plan.protoset);
let isConnected = false;

const lanes = { interactive: "LANE_INTERACTIVE", standard: "LANE_STANDARD", batch: "LANE_BATCH" };
const roles = { system: "ROLE_SYSTEM", user: "ROLE_USER", assistant: "ROLE_ASSISTANT" };

/** What the stream sends, as k6 decodes it. */
interface Piece {
  readonly textDelta?: string;
  readonly finished?: {
    readonly usage?: {
      readonly inputTokens?: string;
      readonly cachedInputTokens?: string;
      readonly outputTokens?: string;
    };
  };
}

/** Native gRPC, a message a token; stock k6 has it. Answers end where the model ends them. */
export const callModel: CallModel = (call) =>
  new Promise((resolve) => {
    if (!isConnected) {
      client.connect(plan.proxyGrpc, { plaintext: true, timeout: "5s" });
      isConnected = true;
    }
    const sentMs = Date.now();
    const stampsMs: number[] = [];
    let text = "";
    let usage: ChatAnswer["usage"];
    let isFinished = false;
    let hasLeft = false;
    let fault = "";
    const stream = new grpc.Stream(client, "warmpath.inference.v1.InferenceService/Generate", {
      metadata: { authorization: `Bearer ${call.key}` },
      timeout: `${call.timeoutMs}ms`,
    });
    stream.on("data", (data) => {
      const { textDelta, finished } = data as Piece;
      if (textDelta) {
        stampsMs.push(Date.now() - sentMs);
        text += textDelta;
        if (stampsMs.length === call.leaveAfterEvents) {
          hasLeft = true;
          resolve(answerOf());
        }
      }
      if (finished !== undefined) {
        isFinished = true;
        usage = {
          input: Number(finished.usage?.inputTokens ?? 0),
          cached: Number(finished.usage?.cachedInputTokens ?? 0),
          output: Number(finished.usage?.outputTokens ?? 0),
        };
      }
    });
    stream.on("error", (error) => {
      fault = (error as { message?: string } | undefined)?.message ?? "the stream broke";
    });
    stream.on("end", () => resolve(answerOf()));
    const answerOf = (): ChatAnswer | { fault: string } => {
      const firstMs = stampsMs[0];
      if (!isFinished && !hasLeft) return { fault: fault || "the stream ended early" };
      if (firstMs === undefined) return { fault: "the stream ended without content" };
      const gapsMs = stampsMs.slice(1).map((atMs, index) => atMs - (stampsMs[index] ?? 0));
      return { text, timeToFirstTokenMs: firstMs, gapsMs, endMs: Date.now() - sentMs, usage };
    };
    stream.write({
      messages: call.messages.map(({ role, content }) => ({
        role: roles[role],
        parts: [{ text: content }],
      })),
      sampling: { max_output_tokens: call.outputTokens },
      session_id: call.sessionId,
      lane: lanes[call.lane],
    });
    stream.end();
  });
