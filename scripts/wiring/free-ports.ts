import { createServer } from "node:net";
import { WarmpathError } from "@warmpath/runtime/base";

/**
 * Fails with the first busy port, by name. Asked before anything is started, so that a busy port
 * costs nothing; the listeners say the same should a port be taken in between.
 */
export async function assertPortsFree(
  host: string,
  ports: readonly { readonly port: number; readonly use: string }[],
): Promise<void> {
  for (const { port, use } of ports) {
    await assertPortFree(host, port, use);
  }
}

async function assertPortFree(host: string, port: number, use: string): Promise<void> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", (cause: NodeJS.ErrnoException) => {
    reject(
      cause.code === "EADDRINUSE"
        ? new WarmpathError(
            "rejected-port-busy",
            `port ${port} on ${host} is in use, and ${use} needs it: stop what listens there, or move the whole block with --port`,
            { cause },
          )
        : new WarmpathError(
            "rejected-config",
            `cannot listen on ${host}:${port} for ${use}: ${cause.message}`,
            { cause },
          ),
    );
  });
  server.listen({ host, port, exclusive: true }, resolve);
  try {
    await promise;
  } finally {
    server.close();
  }
}
