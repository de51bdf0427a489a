import { messageOf, WarmpathError } from "../base/index.ts";

/** The error of a port that cannot be listened on, in words for whoever started us. */
export function listenFault(
  error: unknown,
  { host, port }: { readonly host: string; readonly port: number },
): WarmpathError {
  const detail = messageOf(error);
  // Bun's sockets say it in the code alone, grpc-js in words of its own.
  const isTaken =
    (error instanceof Error && "code" in error && error.code === "EADDRINUSE") ||
    /EADDRINUSE|in use|No address added/i.test(detail);
  const message = isTaken
    ? `port ${port} on ${host} is in use: stop what listens there, or choose another with --port`
    : `cannot listen on port ${port} of ${host}: ${detail}`;
  return new WarmpathError("rejected-port-busy", message, { cause: error });
}
