import { messageOf, WarmpathError } from "../base/index.ts";

/** The error of a port that cannot be listened on, in words for whoever started us. */
export function listenFault(
  error: unknown,
  { host, port }: { readonly host: string; readonly port: number },
): WarmpathError {
  const detail = messageOf(error);
  const message = /EADDRINUSE|in use/i.test(detail)
    ? `port ${port} on ${host} is in use: stop what listens there, or choose another with --port`
    : `cannot listen on port ${port} of ${host}: ${detail}`;
  return new WarmpathError("rejected-port-busy", message, { cause: error });
}
