import { describe, expect, test } from "bun:test";
import { createHealth } from "./health.ts";
import { opsRoutes } from "./ops-routes.ts";
import { createMetrics, renderMetricsMarkdown } from "./telemetry/metrics.ts";
import { createManualClock } from "./testing/manual-clock.ts";

function setUp() {
  const clock = createManualClock();
  const health = createHealth({ clock });
  const metrics = createMetrics("gateway");
  const answer = opsRoutes({ health, metrics });
  const get = async (path: string) => await answer(new Request(`http://localhost${path}`));
  return { clock, health, metrics, get };
}

describe("operations routes", () => {
  test("/health is 200 as long as the process answers, /ready says what is missing", async () => {
    const { clock, health, get } = setUp();
    let isUp = true;
    health.check("postgres", async () => {
      if (!isUp) {
        throw new Error("connection refused");
      }
    });
    expect((await get("/ready"))?.status).toBe(200);
    isUp = false;
    await clock.advance(1000);
    const missing = await get("/ready");
    expect(missing?.status).toBe(503);
    expect(missing?.headers.get("retry-after")).toBe("1");
    expect(await missing?.json()).toEqual({
      ready: false,
      checks: [{ name: "postgres", ok: false, detail: "connection refused" }],
    });
    expect((await get("/health"))?.status).toBe(200);
  });

  test("/ready names what is missed and can be done without, and stays 200", async () => {
    const { health, get } = setUp();
    health.check("database", async () => undefined);
    health.checkOptional("bus", async () => {
      throw new Error("no connection");
    });
    const answer = await get("/ready");
    expect(answer?.status).toBe(200);
    expect(await answer?.json()).toEqual({
      ready: true,
      checks: [
        { name: "database", ok: true },
        { name: "bus", ok: false, detail: "no connection", optional: true },
      ],
    });
  });

  test("a check that does not answer counts as failed", async () => {
    const { clock, health } = setUp();
    health.check("stuck", () => new Promise(() => undefined));
    const readiness = health.ready();
    await clock.advance(1000);
    expect((await readiness).checks).toEqual([
      { name: "stuck", ok: false, detail: "no answer within 900 ms" },
    ]);
  });

  test("a draining process is alive and not ready", async () => {
    const { health, get } = setUp();
    health.setDraining();
    expect((await get("/ready"))?.status).toBe(503);
    expect((await get("/health"))?.status).toBe(200);
  });

  test("/metrics shows what was counted, and the definitions list themselves", async () => {
    const { metrics, get } = setUp();
    const spec = {
      name: "warmpath_gateway_tasks_total",
      help: "Accepted tasks.",
      labels: ["lane"],
    } as const;
    metrics.counter(spec).inc({ lane: "batch" });
    metrics.counter(spec).inc({ lane: "batch" });
    metrics.gauge({ name: "warmpath_gateway_open", help: "Open.", collect: () => 7 });
    const text = await (await get("/metrics"))?.text();
    expect(text).toContain('warmpath_gateway_tasks_total{lane="batch",service="gateway"} 2');
    expect(text).toContain('warmpath_gateway_open{service="gateway"} 7');
    expect(renderMetricsMarkdown(metrics.describe())).toContain(
      "| `warmpath_gateway_tasks_total` | counter | `lane` | Accepted tasks. |",
    );
    expect(() => metrics.gauge(spec)).toThrow();
  });

  test("other paths and other methods are not theirs", async () => {
    const { get } = setUp();
    expect(await get("/")).toBeUndefined();
    expect(await get("/healthy")).toBeUndefined();
  });
});
