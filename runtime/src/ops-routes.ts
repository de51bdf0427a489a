import type { Health } from "./health.ts";
import type { Metrics } from "./telemetry/metrics.ts";

/**
 * Answers GET /health (200 as long as the process lives), /ready (200 or 503, with every check) and
 * /metrics; undefined for everything else.
 */
export function opsRoutes(options: {
  readonly health: Health;
  readonly metrics: Metrics;
}): (request: Request) => Promise<Response | undefined> {
  const { health, metrics } = options;
  return async (request) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return undefined;
    }
    switch (new URL(request.url).pathname) {
      case "/health":
        return Response.json({ status: "ok" });
      case "/ready": {
        const readiness = await health.ready();
        const retry = readiness.ready ? {} : { headers: { "retry-after": "1" } };
        return Response.json(readiness, { status: readiness.ready ? 200 : 503, ...retry });
      }
      case "/metrics": {
        const headers = { "content-type": metrics.contentType };
        return new Response(await metrics.text(), { headers });
      }
      default:
        return undefined;
    }
  };
}
