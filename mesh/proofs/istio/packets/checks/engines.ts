/** Engines that are sick or busy: choosing among them is the proxy's work, not Envoy's. */
import type { GrpcAnswer, HttpAnswer, TokensAnswer } from "../agent-protocol.ts";
import { type Rig, until } from "../rig.ts";
import { others, replicas, services } from "../scene.ts";
import { type Check, unless } from "./check.ts";
import { completion, wholeFaults } from "./streams.ts";

/** Enough for each engine to be asked several times. */
const calls = 24;
/** Calls under way at once: one alone always goes to the engine that has been the quicker one. */
const callsAtOnce = 8;
const fewTokens = 8;
const [, victim] = replicas;

/** Breaks an engine, or mends it; from inside its pod, because nobody else reaches that door. */
async function setFaults(rig: Rig, faults: unknown): Promise<void> {
  const url = "http://127.0.0.1:8000/_sim/faults";
  const headers = { "content-type": "application/json" };
  const cleared = await rig.ask<HttpAnswer>(victim, { op: "http", url, method: "DELETE" });
  mustBeOk(cleared);
  if (faults !== undefined) {
    const body = JSON.stringify(faults);
    mustBeOk(await rig.ask<HttpAnswer>(victim, { op: "http", url, method: "POST", headers, body }));
  }
}

/** An engine that was not broken would show nothing. */
function mustBeOk({ status, text }: HttpAnswer): void {
  if (status !== 200) {
    throw new Error(`${victim} takes no faults: ${status} ${text.slice(0, 200)}`);
  }
}

/** How often the proxy has asked the engine, with an answer or in vain, by its own count. */
async function askedOf(rig: Rig, was: "answered" | "in vain"): Promise<number> {
  const url = `http://127.0.0.1:${services.proxy.http}/metrics`;
  const { text } = await rig.ask<HttpAnswer>(services.proxy.pod, { op: "http", url });
  return text
    .split("\n")
    .filter((line) => line.startsWith("warmpath_inference_proxy_attempts_total{"))
    .filter((line) => line.includes(`replica="${victim}`))
    .filter((line) => line.includes('outcome="opened"') === (was === "answered"))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

/** Calls until the engine is asked again: what came before may have had it passed over. */
async function untilAsked(rig: Rig): Promise<void> {
  const before = await askedOf(rig, "answered");
  const isAsked = async () => {
    await callMany(rig, `an engine that is well, ${performance.now()}`);
    return (await askedOf(rig, "answered")) > before;
  };
  await until(isAsked, `a call that reaches ${victim}`, 40_000);
}

/** Whether the proxy has set the engine aside; asked from inside its pod, as operators do. */
async function isEjected(rig: Rig): Promise<boolean> {
  const { last } = await rig.ask<GrpcAnswer>(services.proxy.pod, {
    op: "grpc",
    url: `http://127.0.0.1:${services.proxy.http + 1}`,
    method: "warmpath.inference.v1.InferenceService/ListReplicas",
  });
  // A ListReplicasResponse as JSON.
  const { replicas: found = [] } = last as { replicas?: { name: string; healthy?: boolean }[] };
  return found.find(({ name }) => name.startsWith(victim))?.healthy !== true;
}

/** Calls from outside while an engine is as it is: what is wrong with their answers. */
async function callMany(rig: Rig, about: string): Promise<readonly string[]> {
  const faults: string[] = [];
  for (let first = 0; first < calls; first += callsAtOnce) {
    const answers = Array.from({ length: callsAtOnce }, (_, index) => {
      const order = completion(rig, fewTokens, `Question ${first + index} about ${about}.`);
      return rig.ask<TokensAnswer>(others.client, order);
    });
    faults.push(...(await Promise.all(answers)).flatMap((answer) => wholeFaults(answer)));
  }
  return faults.slice(0, 1);
}

/**
 * An engine without room stays in the proxy's list. Five refusals in a row make it pass the engine
 * over for moments, which is no ejection: its health is what it was.
 */
function busyEngine(status: number): Check {
  return {
    title: `a busy engine (${status}) is not ejected, and no client hears of it`,
    run: async ({ rig }) => {
      await untilAsked(rig);
      const before = await askedOf(rig, "in vain");
      await setFaults(rig, { errors: { [status]: 1 } });
      const faults = await callMany(rig, `a busy ${status}`);
      const ejected = await isEjected(rig);
      const refused = (await askedOf(rig, "in vain")) - before;
      await setFaults(rig, undefined);
      return [
        ...faults,
        ...unless(!ejected, "it was ejected"),
        ...unless(refused > 0, "it was asked nothing while it was busy"),
      ];
    },
  };
}

const sickEngine: Check = {
  title: "a sick engine, which is gone, is ejected, and no client hears of it",
  run: async ({ rig, cast }) => {
    const earlier = await isEjected(rig);
    cast.get(victim)?.signal("SIGKILL");
    const faults = await callMany(rig, "a sick engine");
    await until(() => isEjected(rig), "its ejection", 20_000);
    return [...faults, ...unless(!earlier, "it was ejected before it was sick")];
  },
};

export const engineChecks: readonly Check[] = [busyEngine(429), busyEngine(503), sickEngine];
