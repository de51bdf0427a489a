/** Streams of tokens: longer than any timeout, and through the end of what carries them. */
import type { GrpcAnswer, Order, TaskAnswer, TokensAnswer } from "../agent-protocol.ts";
import { timeoutSecondsMax } from "../rendered.ts";
import type { Rig } from "../rig.ts";
import { startService, untilReady } from "../run-services.ts";
import { devKey, others, outsideUrl, services } from "../scene.ts";
import { type Check, type Stage, unless } from "./check.ts";
import { taskFaults, taskOrder } from "./tasks.ts";

/** The profile's step: 8 ms a token, so that a third more than the timeout's worth outlives it. */
const tokenMs = 8;
const longTokens = Math.round((timeoutSecondsMax * 1000 * 4) / 3 / tokenMs);
const shortTokens = 400;

const exitMsMax = 20_000;

/** A model call from outside whose answer streams, of just so many tokens. */
export function completion(rig: Rig, tokens: number, content = "Tell me a long story."): Order {
  return {
    op: "tokens",
    url: `${outsideUrl(rig)}/v1/chat/completions`,
    headers: { authorization: `Bearer ${devKey}`, "content-type": "application/json" },
    body: JSON.stringify({
      model: "warmpath-sim",
      messages: [{ role: "user", content }],
      stream: true,
      max_tokens: tokens,
      ignore_eos: true,
    }),
  };
}

/** What is wrong with a stream that should have come whole. */
export function wholeFaults(answer: TokensAnswer): readonly string[] {
  const { status, isDone, error, chunks, ms } = answer;
  return unless(
    status === 200 && isDone && error === "",
    `status ${status}, ${chunks} chunks in ${ms} ms, end ${isDone ? "seen" : "not seen"}: ${error}`,
  );
}

export const longStreamChecks: readonly Check[] = [
  {
    title: "a token stream from outside outlives every timeout",
    run: async ({ rig }) => {
      const answer = await rig.ask<TokensAnswer>(others.client, completion(rig, longTokens));
      const { ms } = answer;
      return [
        ...wholeFaults(answer),
        ...unless(ms > timeoutSecondsMax * 1000, `it took ${ms} ms: too short to show anything`),
      ];
    },
  },
  {
    title: "a token stream between services outlives every timeout",
    run: async ({ rig }) => {
      const { code, message, ms } = await rig.ask<GrpcAnswer>(services.orchestrator.pod, {
        op: "grpc",
        url: "http://warmpath-inference-proxy:8711",
        method: "warmpath.inference.v1.InferenceService/Generate",
        request: {
          messages: [{ role: "ROLE_USER", parts: [{ text: "Write 2000 words." }] }],
          sampling: { maxOutputTokens: longTokens },
        },
        timeoutMs: 60_000,
      });
      return [
        ...unless(code === "ok", `${code}: ${message} after ${ms} ms`),
        ...unless(ms > timeoutSecondsMax * 1000, `it took ${ms} ms: too short to show anything`),
      ];
    },
  },
];

/** Sends SIGTERM, waits for the end, and starts the service again; the exit status. */
async function replaceAtSigterm({ rig, cast, end }: Stage, service: keyof typeof services) {
  const { pod, http } = services[service];
  const old = cast.get(pod);
  old?.signal(end);
  const status = await Promise.race([old?.exited, Bun.sleep(exitMsMax).then(() => -1)]);
  cast.set(pod, startService(rig, { pod, deployment: `warmpath-${pod}` }));
  await untilReady(rig, pod, http, "/ready");
  return status;
}

function taskThrough(service: "gateway" | "orchestrator"): Check {
  return {
    title: `SIGTERM of ${service} while a task streams: its watcher resumes and has every token`,
    run: async (stage) => {
      let replaced: Promise<number | undefined> | undefined;
      const onEvent = () => {
        replaced ??= replaceAtSigterm(stage, service);
      };
      const task = await stage.rig.ask<TaskAnswer>(others.client, taskOrder(stage.rig), onEvent);
      const status = await replaced;
      return [
        ...taskFaults(task),
        ...unless(status === 0, `${service} ended with ${status}`),
        ...unless(
          task.breaks.every((each) => /unavailable|ended early|draining|closed|ECONN/i.test(each)),
          `a break that says nothing of trying again: ${task.breaks.join("; ")}`,
        ),
      ];
    },
  };
}

export const sigtermChecks: readonly Check[] = [
  {
    title: "SIGTERM of inference-proxy while tokens stream: not one is lost, and it exits with 0",
    run: async (stage) => {
      const { rig } = stage;
      let replaced: Promise<number | undefined> | undefined;
      const onEvent = () => {
        replaced ??= replaceAtSigterm(stage, "proxy");
      };
      const order = completion(rig, shortTokens);
      const cut = await rig.ask<TokensAnswer>(others.client, order, onEvent);
      const status = await replaced;
      // The engines say the same to the same question: what came must be all of it.
      const whole = await rig.ask<TokensAnswer>(others.client, order);
      return [
        ...wholeFaults(cut),
        ...wholeFaults(whole).map((each) => `afterwards: ${each}`),
        ...unless(
          cut.text === whole.text,
          `${cut.text.length} characters came, ${whole.text.length} were said`,
        ),
        ...unless(status === 0, `inference-proxy ended with ${status}`),
      ];
    },
  },
  taskThrough("gateway"),
  taskThrough("orchestrator"),
];
