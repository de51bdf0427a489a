import {
  httpErrorResponse,
  httpStatus,
  type OpenSpan,
  type RpcServer,
  type Tracing,
} from "@warmpath/runtime";
import { type Logger, WarmpathError } from "@warmpath/runtime/base";
import type { Caller } from "./authenticate.ts";
import { sseHeaders } from "./chat/sse.ts";
import { type ChatDeps, resumeChat, startChat } from "./chat.ts";
import type { ConsolePage } from "./http/console-page.ts";
import type { Cors } from "./http/cors.ts";
import { answerQuery, type QueryDeps } from "./query.ts";

/** What the HTTP listener answers with, in the order in which it asks. */
export interface HttpDeps {
  readonly ops: (request: Request) => Promise<Response | undefined>;
  readonly rpc: RpcServer;
  readonly cors: Cors;
  readonly page: ConsolePage;
  readonly chat: ChatDeps;
  readonly query: QueryDeps;
  readonly tracing: Tracing;
  readonly log: Logger;
}

/** The one function behind port 8700: preflight, ops, RPC, JSON routes, page; then 404. */
export function createHttpHandler(deps: HttpDeps): (request: Request) => Promise<Response> {
  const routes = createJsonRoutes(deps);
  return async (request) => {
    const preflight = deps.cors.preflight(request);
    if (preflight !== undefined) {
      return preflight;
    }
    const response =
      (await deps.ops(request)) ??
      (await deps.rpc.fetch(request)) ??
      (await routes(request)) ??
      (await deps.page.respond(request)) ??
      notFound(request);
    return finished(deps, request, response);
  };
}

interface JsonRoute {
  readonly name: string;
  readonly method: string;
  readonly path: RegExp;
  readonly answer: (
    caller: Caller,
    request: Request,
    id: string,
    span: OpenSpan,
  ) => Promise<Response>;
  /** The same without what varies, as traces name it. */
  readonly spanName: string;
}

function createJsonRoutes(deps: HttpDeps): (request: Request) => Promise<Response | undefined> {
  const table: readonly JsonRoute[] = [
    {
      name: "chat",
      method: "POST",
      path: /^\/chat$/,
      spanName: "POST /chat",
      answer: (caller, request, _id, span) => startChat(deps.chat, caller, request, span),
    },
    {
      name: "chat_resume",
      method: "GET",
      path: /^\/chat\/([^/]+)$/,
      spanName: "GET /chat/{task_id}",
      answer: (caller, request, taskId, span) =>
        resumeChat(deps.chat, caller, request, taskId, span),
    },
    {
      name: "query",
      method: "POST",
      path: /^\/query$/,
      spanName: "POST /query",
      answer: (caller, request) => answerQuery(deps.query, caller, request),
    },
  ];
  return async (request) => {
    const { pathname } = new URL(request.url);
    const matching = table.filter(({ path }) => path.test(pathname));
    if (matching.length === 0) {
      return undefined;
    }
    const route = matching.find(({ method }) => method === request.method);
    const response = route ? await answer(deps, route, request) : wrongMethod(matching);
    const status = String(response.status);
    deps.chat.metrics.httpRequests.inc({ route: route?.name ?? "wrong_method", status });
    return response;
  };
}

/** Answers within the span of the request, which a stream keeps open until it ends. */
async function answer(deps: HttpDeps, route: JsonRoute, request: Request): Promise<Response> {
  const span = deps.tracing.open(route.spanName, {
    kind: "server",
    parent: deps.tracing.contextFrom(request.headers),
  });
  return await span.run(async () => {
    try {
      const caller = await deps.chat.door.enter(request.headers);
      const id = route.path.exec(new URL(request.url).pathname)?.[1] ?? "";
      const response = await route.answer(caller, request, id, span);
      if (!isEventStream(response)) {
        span.end();
      }
      return response;
    } catch (thrown) {
      const error = WarmpathError.from(thrown);
      if (httpStatus(error) === 500) {
        deps.log.error("request failed", { route: route.name, error });
      }
      span.end(error);
      return httpErrorResponse(error);
    }
  });
}

function isEventStream(response: Response): boolean {
  return response.headers.get("content-type") === sseHeaders["content-type"];
}

function wrongMethod(matching: readonly JsonRoute[]): Response {
  const allow = matching.map(({ method }) => method).join(", ");
  const sentence = `This path takes ${allow}.`;
  const response = httpErrorResponse(new WarmpathError("rejected-unimplemented", sentence));
  const headers = new Headers(response.headers);
  headers.set("allow", allow);
  return new Response(response.body, { status: 405, headers });
}

function notFound(request: Request): Response {
  const sentence =
    `There is nothing at ${request.method} ${new URL(request.url).pathname.slice(0, 256)}. ` +
    "RPCs are POST /warmpath.gateway.v1.AgentService/METHOD; also: /chat, /query, /health, /ready, /metrics.";
  return httpErrorResponse(new WarmpathError("rejected-not-found", sentence));
}

/** What every response carries: the CORS headers, and for a refused key how to present one. */
function finished({ cors }: HttpDeps, request: Request, response: Response): Response {
  const headers = new Headers(response.headers);
  cors.apply(request, headers);
  if (response.status === 401) {
    headers.set("www-authenticate", 'Bearer realm="warmpath"');
  }
  return new Response(response.body, { status: response.status, headers });
}
