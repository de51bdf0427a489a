/** A request that reached the provider. */
export interface SeenByProvider {
  readonly path: string;
  /** Query, with its question mark. */
  readonly search: string;
  readonly headers: Headers;
  readonly body: string;
}

/**
 * A hosted provider whose answers the test writes; it lists one model, `claude-x`, in all shapes.
 */
export interface FakeProvider {
  readonly url: string;
  /** Requests that a provider would charge for, in order. */
  readonly seen: readonly SeenByProvider[];
  /** Paths of lists of models that were asked for. */
  readonly looks: readonly string[];
  answer: (request: SeenByProvider) => Response | Promise<Response>;
  close(): Promise<void>;
}

/** The key that every fake provider accepts, in the form of a real one. */
export const providerKey = "sk-test-0123456789abcdefghijklmnop";

/** Starts a provider on a free port; it refuses other keys as each of the real ones does. */
export function startFakeProvider(): FakeProvider {
  const seen: SeenByProvider[] = [];
  const looks: string[] = [];
  const fake = {
    answer: (_request: SeenByProvider): Response | Promise<Response> =>
      new Response(null, { status: 500 }),
  };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    error: () => new Response(null, { status: 500 }),
    async fetch(request) {
      const { pathname: path, search } = new URL(request.url);
      const { headers } = request;
      const keys = [
        headers.get("authorization")?.replace("Bearer ", ""),
        headers.get("x-api-key"),
        headers.get("x-goog-api-key"),
      ];
      if (!keys.includes(providerKey)) {
        return Response.json({ error: { message: "wrong key" } }, { status: 401 });
      }
      if (request.method === "GET") {
        looks.push(path);
        return Response.json({
          data: [{ id: "claude-x" }],
          models: [{ name: "models/claude-x", inputTokenLimit: 1000 }],
        });
      }
      const asked = { path, search, headers, body: await request.text() };
      seen.push(asked);
      return fake.answer(asked);
    },
  });
  return Object.defineProperties(fake, {
    url: { value: `http://127.0.0.1:${server.port}` },
    seen: { value: seen },
    looks: { value: looks },
    close: { value: () => server.stop(true) },
  }) as FakeProvider;
}
