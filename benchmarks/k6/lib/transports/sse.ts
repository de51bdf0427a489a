import { post } from "k6/x/sse";
import { readChatEvents } from "../chat-events.ts";
import { plan } from "../environment.ts";
import { type CallModel, chatBody, chatHeaders } from "./call-model.ts";

/** Server-sent events over HTTP with the time of each; needs the k6 that is built here. */
export const callModel: CallModel = async (call) => {
  const answer = post(
    `${plan.proxyUrl}/v1/chat/completions`,
    chatBody(call),
    chatHeaders(call),
    call.timeoutMs,
    call.leaveAfterEvents,
  );
  if (answer.error !== "") return { fault: answer.error };
  if (answer.status !== 200) return { fault: `status ${answer.status}: ${answer.body}` };
  const hasLeft = call.leaveAfterEvents > 0 && answer.events.length >= call.leaveAfterEvents;
  return readChatEvents(answer.events, answer.doneMs, hasLeft);
};
