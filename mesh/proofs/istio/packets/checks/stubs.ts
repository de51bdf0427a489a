/** Stubs in the pods of state, before the real one starts: servers that fail as they are told. */
import { join } from "node:path";
import type { GrpcAnswer, StubAnswer } from "../agent-protocol.ts";
import { stubHeader } from "../agent-protocol.ts";
import { type Rig, within } from "../rig.ts";
import { others, services } from "../scene.ts";

/** A stub and how many calls it has executed. */
export interface Stub {
  readonly pod: string;
  count(): number;
  /** How it answers from now on whoever asks for nothing else. */
  answer(answer: StubAnswer): void;
  stop(): Promise<void>;
}

const statePort = services.state.http + 1;

/** A stub in each pod of state and of its canary. */
export async function startStubs(rig: Rig): Promise<readonly Stub[]> {
  const pods = [services.state.pod, others.secondState, others.canary];
  return Promise.all(pods.map((pod) => startStub(rig, pod)));
}

async function startStub(rig: Rig, pod: string): Promise<Stub> {
  let executed = 0;
  const ready = Promise.withResolvers<void>();
  const child = rig.start(pod, `stub-${pod}`, {
    command: [process.execPath, join(import.meta.dir, "../stub.ts"), String(statePort)],
    onLine: (line) => {
      executed += line.startsWith("executed") ? 1 : 0;
      if (line === "ready") {
        ready.resolve();
      }
    },
  });
  await within(ready.promise, `the stub in ${pod}`);
  return {
    pod,
    count: () => executed,
    answer: (answer) => child.write(answer),
    stop: async () => {
      await child.stop();
    },
  };
}

/** A call of the gateway's to state, through both their Envoys. */
export function callState(rig: Rig, method: string, answer?: StubAnswer): Promise<GrpcAnswer> {
  return rig.ask<GrpcAnswer>(services.gateway.pod, {
    op: "grpc",
    url: `http://warmpath-state:${statePort}`,
    method: `warmpath.state.v1.TaskService/${method}`,
    ...(answer && { headers: { [stubHeader]: answer } }),
  });
}

/** Calls that all stubs together have executed. */
export function executedBy(stubs: readonly Stub[]): number {
  return stubs.reduce((sum, stub) => sum + stub.count(), 0);
}
