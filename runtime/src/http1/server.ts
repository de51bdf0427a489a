import { after, type Clock, type Logger, systemClock, WarmpathError } from "../base/index.ts";
import { httpErrorResponse } from "../rpc/http-error.ts";
import { listenFault } from "../rpc/listen-fault.ts";
import type { Listener } from "../rpc/listen-http.ts";
import { type HttpAnswer, responseOfAnswer } from "./answer.ts";
import { type BodyBudget, createBodyBudget } from "./body-budget.ts";
import { createHttp2Annex } from "./http2-annex.ts";
import { type HttpRequest, PlatformRequest } from "./request.ts";
import { ServerConnection } from "./server-connection.ts";
import type { ServerMeans } from "./server-means.ts";
import type { SocketOwner } from "./socket-owner.ts";

/** Where the listener of the hot path listens, and what answers. */
export interface ListenHttp1Options {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** Answers every request; what it throws becomes a JSON error. */
  readonly handle: (request: HttpRequest) => Promise<HttpAnswer | Response>;
  readonly log: Logger;
  readonly clock?: Clock;
  /** True: other processes may listen on the same port, and the kernel shares connections out. */
  readonly sharesPort?: boolean;
  /** Shared with other listeners of the process. Default: one without a bound. */
  readonly bodies?: BodyBudget;
}

/**
 * Serves HTTP/1.1 on raw sockets: about half the price of the platform's server for a proxy, whose
 * answers are bytes already. Clients that begin in cleartext HTTP/2 are handed to that server.
 */
export function listenHttp1(options: ListenHttp1Options): Listener {
  const { host, log, clock = systemClock } = options;
  const { bodies = createBodyBudget(Number.POSITIVE_INFINITY) } = options;
  const connections = new Set<ServerConnection>();
  const closed = Promise.withResolvers<void>();
  const answerError = (request: HttpRequest, thrown: unknown): Response => {
    const error = WarmpathError.from(thrown);
    if (error.source === "self" && error.reason.startsWith("failed-")) {
      log.error("request failed", { path: request.path, error });
    }
    return httpErrorResponse(error);
  };
  const annex = createHttp2Annex(async (platformRequest) => {
    const request = new PlatformRequest(platformRequest, bodies);
    try {
      const answer = await options.handle(request);
      return answer instanceof Response ? answer : responseOfAnswer(answer);
    } catch (thrown) {
      return answerError(request, thrown);
    }
  });
  let isClosing = false;
  const means: ServerMeans = {
    handle: options.handle,
    answerError,
    date: createDate(clock),
    bodies,
    get isClosing() {
      return isClosing;
    },
    onFault: (error) => log.error("a connection was cut by a fault", { error }),
    takeHttp2: (socket, read, from) => {
      connections.delete(from);
      annex.take(socket, read);
    },
    onClosed: (connection) => {
      connections.delete(connection);
      if (isClosing && connections.size === 0) {
        closed.resolve();
      }
    },
  };
  const server = listen(options, {
    open: (socket) => {
      // A token must not wait for the one after it.
      socket.setNoDelay(true);
      const connection = new ServerConnection(socket, means);
      socket.data = connection;
      connections.add(connection);
    },
    data: (socket, bytes) => socket.data.read(bytes),
    drain: (socket) => socket.data.drained(),
    timeout: (socket) => socket.data.timedOut(),
    end: (socket) => socket.data.ended(),
    close: (socket) => socket.data.closed(),
    error: (socket, error) => {
      // What a network did has a code; what has none was thrown by us.
      if (!("code" in error)) {
        means.onFault(error);
        socket.terminate();
      }
      socket.data.closed();
    },
  });
  log.info("http listening", { host, port: server.port });
  return {
    port: server.port,
    close: async (graceMs) => {
      isClosing = true;
      server.stop(false);
      for (const connection of connections) {
        connection.closeWhenIdle();
      }
      const timer = after(clock, graceMs, () => {
        for (const connection of connections) {
          connection.cut();
        }
        closed.resolve();
      });
      if (connections.size === 0) {
        closed.resolve();
      }
      await Promise.all([closed.promise, annex.close(graceMs)]);
      timer.cancel();
      server.stop(true);
    },
  };
}

function listen(
  { host, port, sharesPort = false }: ListenHttp1Options,
  socket: Bun.SocketHandler<SocketOwner>,
): Bun.TCPSocketListener<SocketOwner> {
  try {
    return Bun.listen<SocketOwner>({
      hostname: host,
      port,
      socket,
      // Who has sent a whole request may close that side and wait for the answer.
      allowHalfOpen: true,
      ...(sharesPort ? { reusePort: true } : {}),
    });
  } catch (error) {
    throw listenFault(error, { host, port });
  }
}

/** The text of the `date` header, made once a second. */
function createDate(clock: Clock): () => string {
  let second = -1;
  let text = "";
  return () => {
    const now = Math.floor(clock.nowMs() / 1000);
    if (now !== second) {
      second = now;
      text = new Date(now * 1000).toUTCString();
    }
    return text;
  };
}
