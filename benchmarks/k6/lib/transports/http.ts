import http from "k6/http";
import { readChatEvents } from "../chat-events.ts";
import { plan } from "../environment.ts";
import { type CallModel, chatBody, chatHeaders } from "./call-model.ts";

/**
 * Server-sent events with k6's own http module, which reads a body whole: the time to the first
 * byte stands for the first token, since the proxy sends nothing before it, and the rest of the
 * time is spread evenly over the events. Means are right; the spread of gaps is lost, and nobody
 * can leave in the middle.
 */
export const callModel: CallModel = async (call) => {
  const response = http.post(`${plan.proxyUrl}/v1/chat/completions`, chatBody(call), {
    headers: chatHeaders(call),
    timeout: call.timeoutMs,
    responseType: "text",
  });
  if (response.status !== 200) {
    return { fault: `status ${response.status}: ${response.error || response.body}` };
  }
  const { waiting, receiving } = response.timings;
  const fields = String(response.body)
    .split("\n")
    .filter((line) => line.startsWith("data: "));
  const stepMs = receiving / Math.max(1, fields.length - 1);
  const events = fields.map((line, index) => ({
    ms: waiting + index * stepMs,
    data: line.slice("data: ".length),
  }));
  return readChatEvents(events, waiting + receiving, false);
};
