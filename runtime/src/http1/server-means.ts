import type { Socket } from "bun";
import type { HttpAnswer } from "./answer.ts";
import type { BodyBudget } from "./body-budget.ts";
import type { HttpRequest } from "./request.ts";
import type { ServerConnection } from "./server-connection.ts";
import type { SocketOwner } from "./socket-owner.ts";

/** What a connection needs of its server. */
export interface ServerMeans {
  /** Rejects with what {@link answerError} makes an answer of; must not throw. */
  handle(request: HttpRequest): Promise<HttpAnswer | Response>;
  answerError(request: HttpRequest, thrown: unknown): Response;
  /** The `date` header of now. */
  date(): string;
  /** True once the server takes no more requests. */
  readonly isClosing: boolean;
  /** What all connections together hold of bodies that are being read. */
  readonly bodies: BodyBudget;
  /** Something here or in a handler's flow went wrong that should not: for the log. */
  onFault(error: unknown): void;
  /** The client speaks HTTP/2: whoever can takes the socket over, with what was read of it. */
  takeHttp2(socket: Socket<SocketOwner>, read: Buffer, from: ServerConnection): void;
  onClosed(connection: ServerConnection): void;
}
