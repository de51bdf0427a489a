import { portsOf } from "../../../scripts/wiring/ports.ts";
import type { Check } from "./check-image.ts";
import type { Container } from "./container.ts";

/** What is stopped, and how it is reached. */
export interface MidStream {
  readonly proxy: Container;
  readonly port: number;
  readonly key: string;
  readonly check: Check;
  readonly graceMs: number;
}

const tokens = 120;

/**
 * Sends SIGTERM to the proxy while it relays a model's answer: readiness goes at once, the stream
 * comes to its end, and only then the process.
 */
export async function stopMidStream({
  proxy,
  port,
  key,
  check,
  graceMs,
}: MidStream): Promise<void> {
  const url = `http://127.0.0.1:${portsOf(port).services["inference-proxy"].http}`;
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({
      model: await modelOf(url, key),
      stream: true,
      max_tokens: tokens,
      messages: [{ role: "user", content: "Tell a long story." }],
    }),
  });
  const decoder = new TextDecoder();
  let text = "";
  let ending: ReturnType<Container["stop"]> | undefined;
  let refused: Promise<number> | undefined;
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (ending === undefined && text.includes("data: ")) {
      check("the stop comes before the stream's end", !text.includes("[DONE]"), text.slice(-200));
      ending = proxy.stop(graceMs);
      refused = refusedAtMs(`${url}/ready`);
    }
  }
  const overAtMs = performance.now();
  const isWhole = text.trimEnd().endsWith("data: [DONE]");
  check("a stream in flight at SIGTERM comes to its end", isWhole, text.slice(-200));
  const offAtMs = (await refused) ?? Number.POSITIVE_INFINITY;
  check("readiness is off while the stream goes on", offAtMs < overAtMs);
  const ended = await ending;
  check(
    "the proxy ends with 0 after it",
    ended?.exitCode === 0,
    `${ended?.exitCode}: ${proxy.said()}`,
  );
}

/** When the probe was first refused, or nobody listened any more; infinity after three seconds. */
async function refusedAtMs(url: string): Promise<number> {
  const deadlineMs = performance.now() + 3_000;
  while (performance.now() < deadlineMs) {
    const isOk = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (!isOk) return performance.now();
  }
  return Number.POSITIVE_INFINITY;
}

async function modelOf(url: string, key: string): Promise<string> {
  const response = await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
  // OpenAI's list of models.
  const { data } = (await response.json()) as { data: { id: string }[] };
  return data[0]?.id ?? "";
}
