/** What Envoys do about servers that fail, are busy, or are gone. */
import type { StubAnswer } from "../agent-protocol.ts";
import { type Rig, until } from "../rig.ts";
import { others, services } from "../scene.ts";
import { type Check, unless } from "./check.ts";
import { callState, executedBy, type Stub } from "./stubs.ts";

/** Stubs behind the Envoys. */
export interface StubStage {
  readonly rig: Rig;
  readonly stubs: readonly Stub[];
}

type StubCheck = Check<StubStage>;

/** A tool effect for a task: not idempotent, and without retries in the matrix. */
const onceOnly = "SendMessage";
/** Reads: listed in the matrix with two retries. */
const listed = "GetTask";

function executions(
  title: string,
  { method, answer, wanted }: { method: string; answer: StubAnswer; wanted: number },
): StubCheck {
  return {
    title,
    run: async ({ rig, stubs }) => {
      const before = executedBy(stubs);
      const { code } = await callState(rig, method, answer);
      // The line of the last execution may still be on its way.
      await Bun.sleep(200);
      const executed = executedBy(stubs) - before;
      return [
        ...unless(code === "Unavailable", `the caller heard ${code}`),
        ...unless(executed === wanted, `executed ${executed} times, not ${wanted}`),
      ];
    },
  };
}

/** Far more than the five failures in a row that set a pod aside. */
const manyCalls = 40;

function busy(answer: StubAnswer): StubCheck {
  return {
    title: `a busy pod (${answer}) is not ejected`,
    run: async ({ rig, stubs }) => {
      // One that has been set aside comes back by itself.
      await until(async () => !(await isEjected(rig)), "its return", 20_000);
      const stub = stubs.find(({ pod }) => pod === others.secondState);
      stub?.answer(answer);
      for (let call = 0; call < manyCalls; call += 1) {
        await callState(rig, onceOnly);
      }
      const before = stub?.count() ?? 0;
      for (let call = 0; call < manyCalls; call += 1) {
        await callState(rig, onceOnly);
      }
      const later = (stub?.count() ?? 0) - before;
      stub?.answer("ok");
      return [
        ...unless(!(await isEjected(rig)), "Envoy set it aside"),
        ...unless(later > 0, `it was asked no more after ${before} calls`),
      ];
    },
  };
}

/** Whether the gateway's Envoy has set the second pod of state aside. */
async function isEjected(rig: Rig): Promise<boolean> {
  const ip = rig.options.pods.find(({ name }) => name === others.secondState)?.ip ?? "";
  const clusters = await rig.envoy(services.gateway.pod, "/clusters");
  return clusters
    .split("\n")
    .some((line) => line.includes(`::${ip}:`) && line.includes("failed_outlier_check"));
}

const sick: StubCheck = {
  title: "a sick pod, which refuses connections, is ejected, and no call fails from then on",
  run: async ({ rig }) => {
    const earlier = await isEjected(rig);
    await rig.killEnvoy(others.secondState);
    const untilEjected = async () => {
      await callState(rig, onceOnly);
      return isEjected(rig);
    };
    await until(untilEjected, "its ejection", 20_000);
    const codes: string[] = [];
    for (let call = 0; call < manyCalls; call += 1) {
      codes.push((await callState(rig, onceOnly)).code);
    }
    const failed = codes.filter((code) => code !== "ok");
    return [
      ...unless(!earlier, "it was ejected before it was sick"),
      ...unless(failed.length === 0, `${failed.length} calls failed: ${failed[0]}`),
    ];
  },
};

export const stubChecks: readonly StubCheck[] = [
  executions("a non-idempotent call that fails after metadata is executed once", {
    method: onceOnly,
    answer: "unavailable-late",
    wanted: 1,
  }),
  executions("a non-idempotent call that fails without metadata is executed once", {
    method: onceOnly,
    answer: "unavailable",
    wanted: 1,
  }),
  // Without this the two above could pass because nobody can count.
  executions("a read that the matrix lists with two retries is executed three times", {
    method: listed,
    answer: "unavailable",
    wanted: 3,
  }),
  ...(["unavailable", "exhausted", "http-503", "http-429"] as const).map(busy),
  sick,
];
