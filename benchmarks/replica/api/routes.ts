import { controlPrefix, controlRoutes } from "../faults/control.ts";
import type { HttpReply, HttpRequest } from "../http/types.ts";
import { type Call, callOf, type Handler, json, rescue } from "./call.ts";
import { answerChat } from "./chat.ts";
import { answerCompletion } from "./completions.ts";
import { answerEmbeddings } from "./embeddings.ts";
import { answerMessages, countMessageTokens } from "./messages.ts";
import {
  devRoutes,
  health,
  kvEventSources,
  listModels,
  load,
  metrics,
  NotServed,
  version,
} from "./ops.ts";
import type { ReplicaContext } from "./replica-context.ts";
import { answerResponses, findResponse } from "./responses.ts";
import { answerGenerate, renderChat, renderCompletion } from "./scale-out.ts";
import { detokenize, tokenize } from "./tokens.ts";
import { tracked } from "./track-reply.ts";

/** Method and path to handler: the surface of the recorded engine that this replica offers. */
const routes: Readonly<Record<string, Readonly<Record<string, Handler>>>> = {
  "/v1/chat/completions": { POST: answerChat },
  "/v1/chat/completions/render": { POST: renderChat },
  "/v1/completions": { POST: answerCompletion },
  "/v1/completions/render": { POST: renderCompletion },
  "/v1/messages": { POST: answerMessages },
  "/v1/messages/count_tokens": { POST: countMessageTokens },
  "/v1/responses": { POST: answerResponses },
  "/v1/responses/{response_id}": { GET: findResponse },
  "/v1/embeddings": { POST: answerEmbeddings },
  "/v1/models": { GET: listModels },
  "/inference/v1/generate": { POST: answerGenerate },
  "/tokenize": { POST: tokenize },
  "/detokenize": { POST: detokenize },
  "/health": { GET: health },
  "/ping": { GET: health, POST: health },
  "/load": { GET: load },
  "/version": { GET: version },
  "/metrics": { GET: metrics },
  "/kv_event_sources": { GET: kvEventSources },
  ...devRoutes,
  ...controlRoutes,
};

/** Answers one HTTP request, whatever it is; never rejects. */
export async function route(http: HttpRequest, context: ReplicaContext): Promise<HttpReply> {
  const call = callOf(http, context);
  const template = http.path.startsWith("/v1/responses/")
    ? "/v1/responses/{response_id}"
    : http.path;
  const byMethod = Object.hasOwn(routes, template) ? routes[template] : undefined;
  if (http.path.startsWith(controlPrefix)) return replyTo(call, byMethod);
  const handler = byMethod?.[http.method] === undefined ? "none" : template;
  return tracked(call, handler, () => replyTo(call, byMethod));
}

async function replyTo(
  call: Call,
  byMethod: Readonly<Record<string, Handler>> | undefined,
): Promise<HttpReply> {
  if (!isAuthorized(call)) {
    // The guard stands before everything that adds headers.
    const { vary: _, "x-request-id": __, ...headers } = call.headers;
    return { ...json(call, { error: "Unauthorized" }, 401), headers: { ...headers, ...jsonType } };
  }
  if (byMethod === undefined) return json(call, { detail: "Not Found" }, 404);
  const handler = byMethod[call.http.method];
  if (handler === undefined) {
    const refusal = json(call, { detail: "Method Not Allowed" }, 405);
    return { ...refusal, headers: { allow: Object.keys(byMethod).join(", "), ...refusal.headers } };
  }
  try {
    return await handler(call);
  } catch (error) {
    if (error instanceof NotServed) return json(call, { detail: "Not Found" }, 404);
    return rescue(error, call);
  }
}

const jsonType = { "content-type": "application/json" };

/** A key guards inference alone; everything else stays open, as in vLLM. */
function isAuthorized({ http, context }: Call): boolean {
  const { apiKey } = context.config;
  if (apiKey === undefined || !/^\/(?:v\d|inference)\//.test(http.path)) return true;
  return http.headers.get("authorization") === `Bearer ${apiKey}`;
}
