import { answerChat } from "./chat.ts";
import { promptTokensOf } from "./chat-template.ts";
import { answerCompletion } from "./completions.ts";
import { answerEmbeddings } from "./embeddings.ts";
import { rescue } from "./errors.ts";
import { vllmHeaders } from "./headers.ts";
import { textAt } from "./json.ts";
import { chatRequestFrom, readBody } from "./read-request.ts";
import type { ReplicaContext } from "./replica-context.ts";
import { piecesOf, tokenIdsOf } from "./tokenizer.ts";

type Handler = (
  http: Request,
  requestId: string,
  context: ReplicaContext,
) => Promise<Response> | Response;

/**
 * Method and path to handler: the serving surface of the recorded engine that this replica offers.
 */
const routes: Readonly<Record<string, Readonly<Record<string, Handler>>>> = {
  "/v1/chat/completions": { POST: answerChat },
  "/v1/completions": { POST: answerCompletion },
  "/v1/embeddings": { POST: answerEmbeddings },
  "/v1/models": { GET: listModels },
  "/tokenize": { POST: tokenize },
  "/health": { GET: empty },
  "/ping": { GET: empty, POST: empty },
  "/load": { GET: load },
  "/version": { GET: version },
  "/metrics": { GET: metrics },
};

/** Answers one HTTP request, whatever it is; never throws. */
export async function route(http: Request, context: ReplicaContext): Promise<Response> {
  const requestId = http.headers.get("x-request-id") ?? context.newHexId();
  const byMethod = routes[new URL(http.url).pathname];
  const handler = byMethod?.[http.method];
  if (handler !== undefined) {
    try {
      return await handler(http, requestId, context);
    } catch (error) {
      return rescue(error, requestId);
    }
  }
  const headers = vllmHeaders(requestId);
  if (byMethod === undefined) {
    return Response.json({ detail: "Not Found" }, { status: 404, headers });
  }
  const allow = Object.keys(byMethod).join(", ");
  return Response.json(
    { detail: "Method Not Allowed" },
    { status: 405, headers: { ...headers, allow } },
  );
}

function listModels(_http: Request, requestId: string, context: ReplicaContext): Response {
  const created = Math.floor(context.clock.nowMs() / 1000);
  const model = {
    id: context.config.model,
    object: "model",
    created,
    owned_by: "warmpath-simulated",
    root: context.config.model,
    parent: null,
    max_model_len: context.config.maxModelLen,
    permission: [
      {
        id: `modelperm-${context.newHexId()}`,
        object: "model_permission",
        created,
        allow_create_engine: false,
        allow_sampling: true,
        allow_logprobs: false,
        allow_search_indices: false,
        allow_view: true,
        allow_fine_tuning: false,
        organization: "*",
        group: null,
        is_blocking: false,
      },
    ],
  };
  return Response.json({ object: "list", data: [model] }, { headers: vllmHeaders(requestId) });
}

async function tokenize(
  http: Request,
  requestId: string,
  context: ReplicaContext,
): Promise<Response> {
  const body = await readBody(http);
  const prompt = textAt(body, "prompt");
  const isChat = body["messages"] !== undefined;
  const request = isChat ? chatRequestFrom(body, context.config) : undefined;
  const tokens =
    request === undefined
      ? tokenIdsOf(prompt)
      : promptTokensOf(request.messages, request.tools, body["add_generation_prompt"] !== false);
  const wantsTexts = body["return_token_strs"] === true && !isChat;
  const answer = {
    count: tokens.length,
    max_model_len: context.config.maxModelLen,
    tokens,
    token_strs: wantsTexts ? piecesOf(prompt) : null,
  };
  return Response.json(answer, { headers: vllmHeaders(requestId) });
}

function empty(_http: Request, requestId: string): Response {
  return new Response(null, { headers: vllmHeaders(requestId) });
}

function load(_http: Request, requestId: string, context: ReplicaContext): Response {
  return Response.json({ server_load: context.engine.load }, { headers: vllmHeaders(requestId) });
}

function version(_http: Request, requestId: string): Response {
  return Response.json({ version: "0.32.0", simulated: true }, { headers: vllmHeaders(requestId) });
}

function metrics(_http: Request, requestId: string, context: ReplicaContext): Response {
  return new Response(context.metrics.text(context.engine.gauges()), {
    headers: {
      ...vllmHeaders(requestId),
      "content-type": "text/plain; version=1.0.0; charset=utf-8",
    },
  });
}
