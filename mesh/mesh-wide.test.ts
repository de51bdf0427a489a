// Goal: what is said of the mesh as a whole: retries, ways out, and what the access log has. That Envoy logs what is
// meant was looked at on Envoy 1.39. Skipped, with the reason printed, where there is no helm.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chartDir, findHelm, helmMissing, renderChart } from "./helm.ts";

const hasHelm = findHelm() !== undefined;
if (!hasHelm) {
  process.stdout.write(`skipped: the access log of mesh-wide.test.ts. ${helmMissing}\n`);
}

interface Manifest {
  readonly kind: string;
  readonly spec: { readonly accessLogging: readonly { readonly filter: { expression: string } }[] };
}

test.skipIf(!hasHelm)("the access log has errors, calls that were left, and slow ones", () => {
  const file = join(chartDir, "values-ambient.yaml");
  const { stdout = "", stderr } = renderChart(["-n", "warmpath", "-f", file]) ?? {};
  expect(stderr).toBe("");
  // Whatever helm printed; one object of it is looked at.
  const telemetry = (Bun.YAML.parse(stdout) as (Manifest | null)[]).find(
    (each) => each?.kind === "Telemetry",
  );
  const parts = telemetry?.spec.accessLogging[0]?.filter.expression
    .split("||")
    .map((part) => part.trim());
  expect(parts).toEqual([
    "response.code >= 400",
    // Envoy gives an answer that never came no code at all, not 0.
    "response.flags > 0",
    'request.duration > duration("10s")',
    // Last: it fails where the header is absent.
    "(request.headers['content-type'].startsWith('application/grpc') && response.grpc_status > 0)",
  ]);
});

test("the mesh retries nothing by itself and lets nothing out that is not registered", () => {
  const text = readFileSync(join(import.meta.dir, "istio/mesh-config.yaml"), "utf8");
  expect(Bun.YAML.parse(text)).toMatchObject({
    meshConfig: {
      defaultHttpRetryPolicy: { attempts: 0 },
      outboundTrafficPolicy: { mode: "REGISTRY_ONLY" },
      extensionProviders: [{ name: "warmpath-otlp" }],
    },
  });
});
