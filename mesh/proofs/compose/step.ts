// The level `compose`: Docker's own loader takes compose.yaml, refuses each planted fault, and what
// it makes of the file is as locked down as the file says.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ProofStep } from "../step.ts";
import { faults } from "./faults.ts";
import { buildLoader, type LoadedContainer, load } from "./load.ts";

const file = join(import.meta.dir, "../../compose/compose.yaml");

/** Proof that Docker takes the Compose file, without an engine. */
export const composeStep: ProofStep = {
  name: "compose",
  proves: "Docker's loader takes compose.yaml with every profile, and refuses planted faults",
  missing: () =>
    Bun.which("go") === null
      ? "no Go on PATH to build the loader with: install Go 1.26 or newer from go.dev/dl"
      : undefined,
  async run(say) {
    say("building the loader");
    await buildLoader();
    const failures: string[] = [];
    const loaded = await load(file);
    if ("fault" in loaded) {
      return { passed: 0, failures: [`compose.yaml is refused: ${loaded.fault}`] };
    }
    const containers = Object.entries(loaded.project.services);
    for (const [name, container] of containers) {
      failures.push(...openings(container).map((each) => `${name} ${each}`));
    }
    const missed = await missedFaults();
    const passed = 1 + containers.length + faults.length - missed.length;
    return { passed, failures: [...failures, ...missed] };
  },
};

/** What a container may do that it should not, after anchors and merges. */
function openings(container: LoadedContainer): string[] {
  const found: string[] = [];
  if (container.read_only !== true) found.push("has a writable root");
  if (container.cap_drop?.join() !== "ALL") found.push("keeps capabilities");
  if (!container.security_opt?.includes("no-new-privileges:true"))
    found.push("may gain privileges");
  if (/:latest$|^[^:@]+$/.test(container.image ?? "latest")) found.push("has no pinned image");
  if (container.healthcheck?.test?.[0] === "CMD-SHELL") found.push("is probed through a shell");
  if (container.ports?.some(({ host_ip }) => host_ip !== "127.0.0.1")) {
    found.push("is published beyond this host");
  }
  return found;
}

/** Sentences for the planted faults that the loader let pass. */
async function missedFaults(): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "warmpath-compose-"));
  const text = readFileSync(file, "utf8");
  const missed: string[] = [];
  try {
    for (const { name, from, to, refusal } of faults) {
      const path = join(folder, "compose.yaml");
      const planted = text.replace(from, to);
      writeFileSync(path, planted);
      const loaded = await load(path);
      const said = "fault" in loaded ? loaded.fault : "nothing";
      if (planted === text || !refusal.test(said)) {
        missed.push(`planted ${name}: expected a refusal like ${refusal}, got: ${said}`);
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return missed;
}
