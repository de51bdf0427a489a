import { after, type Logger, systemClock, WarmpathError } from "../base/index.ts";
import { httpErrorResponse } from "./http-error.ts";
import { httpBodyBytesMax } from "./limits.ts";
import { listenFault } from "./listen-fault.ts";

/** A listening socket. */
export interface Listener {
  readonly port: number;
  /** Stops accepting, lets what is under way end for `graceMs`, then cuts it. */
  close(graceMs: number): Promise<void>;
}

/**
 * The server object of Bun, for what a handler may need of it (peer address, WebSocket upgrade).
 */
export type HttpServer = Bun.Server<undefined>;

/** Where the HTTP listener listens, and what answers. */
export interface ListenHttpOptions {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  /**
   * Answers every request; what it throws becomes a JSON error. `request.signal` aborts when the
   * caller goes.
   */
  readonly handle: (request: Request, server: HttpServer) => Promise<Response> | Response;
  readonly log: Logger;
  /** Largest request body in bytes; larger ones get 413 before they are read. */
  readonly bodyBytesMax?: number;
}

/**
 * Serves HTTP/1.1 and cleartext HTTP/2 on one port; streams may be silent for as long as they like.
 */
export async function listenHttp(options: ListenHttpOptions): Promise<Listener> {
  const { host, port, handle, log } = options;
  const server = serve(host, port, {
    maxRequestBodySize: options.bodyBytesMax ?? httpBodyBytesMax,
    async fetch(request, self) {
      try {
        return await handle(request, self);
      } catch (thrown) {
        const error = WarmpathError.from(thrown);
        if (error.source === "self" && error.reason.startsWith("failed-")) {
          log.error("request failed", { path: new URL(request.url).pathname, error });
        }
        return httpErrorResponse(error);
      }
    },
  });
  const boundPort = server.port ?? port;
  log.info("http listening", { host, port: boundPort });
  return { port: boundPort, close: (graceMs) => closeWithin(server, graceMs) };
}

function serve(
  host: string,
  port: number,
  options: Pick<Bun.Serve.Options<undefined>, "maxRequestBodySize"> & {
    fetch: (request: Request, server: HttpServer) => Promise<Response>;
  },
): HttpServer {
  try {
    return Bun.serve({
      ...options,
      hostname: host,
      port,
      // Without this a stream that says nothing for 10 s is cut.
      idleTimeout: 0,
      http2: true,
      reusePort: false,
      development: false,
    });
  } catch (error) {
    throw listenFault(error, { host, port });
  }
}

async function closeWithin(server: HttpServer, graceMs: number): Promise<void> {
  const timer = after(systemClock, graceMs, () => void server.stop(true));
  try {
    await server.stop(false);
  } finally {
    timer.cancel();
  }
}
