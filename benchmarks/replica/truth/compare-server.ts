/** One whole comparison: a server to be taken as the truth, and the replica set up alike. */
import type { HttpFinding } from "./compare-http.ts";
import { compareMetrics, compareRequest, recordingsOf } from "./compare-http.ts";
import { followEvents } from "./event-follower.ts";
import { compareEvents } from "./event-scenario.ts";
import { sendTo } from "./send.ts";
import type { RunningServer } from "./start-vllm.ts";
import { type LiveServerName, liveServers } from "./vllm-servers.ts";

/** What was compared and found. */
export interface ServerComparison {
  readonly server: LiveServerName;
  readonly requests: number;
  readonly eventSteps: number;
  readonly eventBatches: number;
  readonly findings: readonly HttpFinding[];
}

/** How a comparison is made. */
export interface ComparisonOptions {
  /** Leaves out requests whose recording's name does not match. */
  readonly only: RegExp | undefined;
  /** False where a second replica takes the place of the real server. */
  readonly isVllm: boolean;
  /** How long after its last event a server is believed to have told all. */
  readonly quietMs: number;
}

/** Compares metrics, events and answers, in an order in which none disturbs the next. */
export async function compareServer(
  name: LiveServerName,
  real: RunningServer,
  ours: RunningServer,
  { only, isVllm, quietMs }: ComparisonOptions,
  say: (text: string) => void,
): Promise<ServerComparison> {
  const [toReal, toOurs] = [sendTo(real.url), sendTo(ours.url)];
  const followers = await Promise.all([followEvents(real, quietMs), followEvents(ours, quietMs)]);
  try {
    const fresh = await compareMetrics(`metrics-fresh ${name}`, toReal, toOurs);
    const events = await compareEvents(
      name,
      { send: toReal, follower: followers[0] },
      { send: toOurs, follower: followers[1] },
      say,
    );
    const findings: HttpFinding[] = [fresh];
    findings.push({ name: `kv-events ${name}`, differences: events.differences });
    const names = recordingsOf(liveServers[name].recorded).filter(
      (recording) => only?.test(recording) ?? true,
    );
    for (const [index, recording] of names.entries()) {
      if (index % 20 === 0) say(`requests: ${index} of ${names.length}`);
      findings.push(await compareRequest(recording, toReal, toOurs, isVllm));
    }
    findings.push(await compareMetrics(`metrics-after ${name}`, toReal, toOurs));
    return {
      server: name,
      requests: names.length,
      eventSteps: events.steps,
      eventBatches: events.batches,
      findings,
    };
  } finally {
    await Promise.all(followers.map((follower) => follower.close()));
  }
}
