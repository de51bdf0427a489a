/** The level `packets`: real Envoys, real mutual TLS, and our real services behind them. */
import { join } from "node:path";
import { findHelm, helmMissing } from "../../helm.ts";
import type { ProofStep } from "../step.ts";
import { goTestsMissing } from "./go-tests.ts";
import { canFetchEnvoy, envoyMissing, findEnvoy } from "./packets/envoy.ts";
import { namespacesMissing, runIsolated } from "./packets/isolated.ts";

const programs = ["ip", "iptables", "setpriv", "unshare", "sysctl", "bash"];

/** Needs root on Linux, Go, helm, an Envoy, and the tools that make namespaces. */
export const packetsStep: ProofStep = {
  name: "packets",
  proves: "our services do their work behind real Envoys, and nobody else gets in",
  missing: () =>
    machineMissing() ?? goTestsMissing() ?? (findHelm() === undefined ? helmMissing : undefined),
  run: (say) => runIsolated(join(import.meta.dir, "packets/inside.ts"), say),
};

function machineMissing(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    return "network namespaces need root on Linux";
  }
  const absent = programs.filter((each) => Bun.which(each) === null);
  if (absent.length > 0) {
    return `${absent.join(", ")} not on PATH: apt-get install iproute2 iptables util-linux procps`;
  }
  const noEnvoy = findEnvoy() === undefined && !canFetchEnvoy() ? envoyMissing : undefined;
  return namespacesMissing() ?? noEnvoy;
}
