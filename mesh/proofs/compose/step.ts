// The level `compose`: Docker's own loader takes compose.yaml, refuses each planted fault, and what
// it makes of the file is as locked down as the file says.

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { goMissing } from "../go.ts";
import type { ProofStep } from "../step.ts";
import { inTemporaryFolder } from "../temporary-folder.ts";
import { faults, openings } from "./faults.ts";
import { buildLoader, type Loaded, type LoadedContainer, load } from "./load.ts";

const file = join(import.meta.dir, "../../compose/compose.yaml");

/** Proof that Docker takes the Compose file, without an engine. */
export const composeStep: ProofStep = {
  name: "compose",
  proves:
    "Docker's loader takes compose.yaml with every profile and the examples of .env.example, and refuses planted faults",
  missing: goMissing,
  async run(say) {
    say("building the loader");
    await buildLoader();
    const failures: string[] = [];
    const loaded = await load(file);
    if ("fault" in loaded) {
      return { passed: 0, failures: [`compose.yaml is refused: ${loaded.fault}`] };
    }
    failures.push(...openingsOf(loaded));
    const { given, wrong } = await checkExamples();
    failures.push(...wrong);
    const missed = [...(await missedFaults()), ...(await missedOpenings())];
    const containers = Object.keys(loaded.project.services).length;
    const shown = 1 + containers + given + faults.length + openings.length;
    const passed = shown - wrong.length - missed.length;
    return { passed, failures: [...failures, ...missed] };
  },
};

/**
 * Loads the file with every example of .env.example: a reader who takes one is to get it in the
 * inference proxy word for word, and no engine where the line of engines is left empty.
 */
async function checkExamples(): Promise<{ readonly given: number; readonly wrong: string[] }> {
  const text = readFileSync(join(dirname(file), ".env.example"), "utf8");
  const wanted = [...text.matchAll(/^# {3}(\w+)=(.+)$/gm), ["", "WARMPATH_UPSTREAM", ""]];
  const loaded = await inTemporaryFolder("compose", async (folder) => {
    const env = join(folder, "env");
    writeFileSync(env, wanted.map(([, name, value]) => `${name}=${value}\n`).join(""));
    return await load(file, env);
  });
  const services = "fault" in loaded ? {} : loaded.project.services;
  const given = services["inference-proxy"]?.environment ?? {};
  const wrong = wanted.flatMap(([, name = "", value]) =>
    given[name] === value ? [] : [`${name}=${value} of an env file came in as ${given[name]}`],
  );
  return { given: wanted.length, wrong };
}

/** What containers of a file may do that they should not, after anchors and merges. */
function openingsOf(loaded: Loaded): string[] {
  const services = "fault" in loaded ? {} : loaded.project.services;
  return Object.entries(services).flatMap(([name, container]) =>
    openingsIn(container).map((each) => `${name} ${each}`),
  );
}

function openingsIn(container: LoadedContainer): string[] {
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
  const missed: string[] = [];
  for (const { name, from, to, refusal } of faults) {
    const loaded = await loadPlanted(from, to);
    const said = "fault" in loaded ? loaded.fault : "nothing";
    if (!refusal.test(said)) {
      missed.push(`planted ${name}: expected a refusal like ${refusal}, got: ${said}`);
    }
  }
  return missed;
}

/** Sentences for the planted openings that this level did not see. */
async function missedOpenings(): Promise<string[]> {
  const missed: string[] = [];
  for (const { name, from, to, found } of openings) {
    const seen = openingsOf(await loadPlanted(from, to)).join("; ") || "nothing";
    if (!seen.includes(found)) {
      missed.push(`planted ${name}: expected "${found}", got: ${seen}`);
    }
  }
  return missed;
}

/** Loads the file with one place changed; one that is not there is a fault of the list. */
async function loadPlanted(from: string, to: string): Promise<Loaded> {
  const text = readFileSync(file, "utf8");
  if (!text.includes(from)) {
    throw new Error(`compose.yaml has no ${from} to plant a fault in`);
  }
  return inTemporaryFolder("compose", async (folder) => {
    const path = join(folder, "compose.yaml");
    writeFileSync(path, text.replace(from, to));
    return await load(path);
  });
}
