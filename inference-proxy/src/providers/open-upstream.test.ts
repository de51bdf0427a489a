import { afterEach, describe, expect, test } from "bun:test";
import { systemClock } from "@warmpath/runtime/base";
import { createHttp1Client } from "@warmpath/runtime/http1";
import type { Vigil } from "../liveness/index.ts";
import { type FakeProvider, providerKey, startFakeProvider } from "../testing/fake-provider.ts";
import { chunk, streamOf } from "../testing/index.ts";
import type { AttemptMeans, AttemptRequest, OpenStream } from "../upstream/attempt.ts";
import { parseReplicaAddresses } from "../upstream/replica.ts";
import { createWatchdog } from "../upstream/watchdog.ts";
import { openUpstream } from "./open-upstream.ts";
import { parseProviders } from "./parse-providers.ts";
import { eventsOf, unnamed } from "./translate/testing.ts";

/*
 * Goal: attempts at providers that are reached over `fetch`, as all real ones are, and over sockets
 * of our own. Method: the same fake provider, by an address that says TLS or not; what is carried
 * is plain either way.
 */

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) {
    await close();
  }
});

/** Any silence is explained; what hangs is the test's to end. */
const patient: Vigil = {
  check: () => 60_000,
  silentMs: 0,
  opened: () => {},
  event: () => {},
  pause: () => {},
  resume: () => {},
  end: () => {},
};

function startMeans(): AttemptMeans {
  const watchdog = createWatchdog({ clock: systemClock, tickMs: 20 });
  const client = createHttp1Client({ keptMs: 100, idleMaxPerOrigin: 2 }, systemClock);
  opened.push(
    () => watchdog.close(),
    () => client.close(),
  );
  return {
    watchdog,
    client,
    limits: {
      answerBytesMax: 1 << 20,
      eventBytesMax: 1 << 16,
    },
  };
}

function start(kind: string, carrier: string) {
  const provider = startFakeProvider();
  opened.push(() => provider.close());
  const [address] = parseProviders([`${kind}=${provider.url} key-env=KEY models=m=theirs`], {
    variable: () => providerKey,
    file: () => "",
  });
  if (address === undefined) {
    throw new Error("one entry is one address");
  }
  const means = startMeans();
  const reached = carrier === "fetch" ? { ...address, origin: undefined } : address;
  const open = (isStream: boolean, path: AttemptRequest["path"] = "/v1/chat/completions") =>
    openUpstream(means, reached, requestOf(isStream, path));
  return { provider, open };
}

function requestOf(
  isStream: boolean,
  path: AttemptRequest["path"] = "/v1/chat/completions",
): AttemptRequest {
  return {
    path,
    body: new TextEncoder().encode(JSON.stringify({ model: "m", messages: [] })),
    headers: { traceparent: "00-1-2-01", "x-request-id": "req_1" },
    isStream,
    signal: new AbortController().signal,
    usesFreshConnection: false,
    vigil: patient,
  };
}

const part = (text: string, more: object = {}) => ({
  candidates: [{ content: { parts: [{ text }] }, ...more }],
});

describe.each(["fetch", "sockets"])("openUpstream() over %s", (carrier) => {
  test("asks Gemini by its own path, and hears chat completions", async () => {
    const { provider, open } = start("gemini", carrier);
    provider.answer = () => Response.json(part("hi", { finishReason: "STOP" }));
    const attempt = await open(false);
    expect(attempt.kind).toBe("whole");
    expect(pathsOf(provider)).toEqual(["/v1beta/models/theirs:generateContent"]);
    provider.answer = () => streamOf([unnamed([part("he"), part("y", { finishReason: "STOP" })])]);
    const streamed = await open(true);
    if (streamed.kind !== "stream") {
      throw new Error(`it is ${streamed.kind}`);
    }
    const told = [streamed.stream.first];
    for (let block = await streamed.stream.next(); block !== undefined; ) {
      told.push(block);
      block = await streamed.stream.next();
    }
    expect(eventsOf(Buffer.concat(told).toString()).at(-1)).toBe("[DONE]");
    expect(pathsOf(provider).at(-1)).toBe("/v1beta/models/theirs:streamGenerateContent?alt=sse");
  });

  test("fails before the first event of Gemini's where there is nothing but an error", async () => {
    const { provider, open } = start("gemini", carrier);
    const error = { code: 503, message: "overloaded", status: "UNAVAILABLE" };
    provider.answer = () => streamOf([unnamed([{ error }])]);
    expect(await open(true)).toMatchObject({ kind: "failed", failure: { kind: "busy" } });
    provider.answer = () => streamOf([unnamed([{ usageMetadata: {} }, { error }])]);
    expect(await open(true)).toMatchObject({ kind: "failed", failure: { kind: "busy" } });
    provider.answer = () => streamOf([unnamed([{ usageMetadata: {} }])]);
    expect(await open(true)).toMatchObject({ kind: "failed", failure: { kind: "died" } });
  });

  test("shows a provider its key and model, and nothing of ours", async () => {
    const { provider, open } = start("anthropic", carrier);
    provider.answer = () => Response.json({ type: "message", stop_reason: "end_turn" });
    await open(false, "/v1/messages");
    const [seen] = provider.seen;
    expect(JSON.parse(seen?.body ?? "")).toEqual({ model: "theirs", messages: [] });
    expect(seen?.headers.get("x-api-key")).toBe(providerKey);
    expect(seen?.headers.get("traceparent")).toBeNull();
    expect(seen?.headers.get("x-request-id")).toBeNull();
  });

  test("follows no redirect, which would carry the key away", async () => {
    const { provider, open } = start("openai", carrier);
    const elsewhere = startFakeProvider();
    opened.push(() => elsewhere.close());
    provider.answer = () => Response.redirect(`${elsewhere.url}/v1/chat/completions`, 307);
    expect(await open(false)).toMatchObject({ kind: "failed", failure: { kind: "refused" } });
    expect(elsewhere.seen).toEqual([]);
  });

  test("takes the key out of what a provider says", async () => {
    const { provider, open } = start("openai", carrier);
    for (const status of [400, 429, 500]) {
      const error = { message: `the key ${providerKey} is bad` };
      provider.answer = () => Response.json({ error }, { status });
      const attempt = JSON.stringify(await open(false));
      expect(attempt).not.toContain(providerKey);
      expect(attempt).toContain("the key [key] is bad");
    }
  });

  test("takes the key out of every text of an error, also where there is no sentence", async () => {
    const { provider, open } = start("openai", carrier);
    const told = `bad_${providerKey}`;
    for (const error of [
      { message: "no", type: told, code: told, param: told },
      { reasons: [{ detail: told }] },
      told,
    ]) {
      provider.answer = () => Response.json({ error }, { status: 400 });
      const attempt = JSON.stringify(await open(false));
      expect(attempt).not.toContain(providerKey);
      expect(attempt).toContain("bad_[key]");
    }
  });

  test("takes the key out of an error in the middle of an answer, pulled or pushed", async () => {
    const { provider, open } = start("openai", carrier);
    const error = `data: {"error":{"message":"key ${providerKey}"}}\n\n`;
    provider.answer = () => streamOf([chunk({ content: "a" }), error], { pauseMs: 5 });
    for (const isPushed of [false, true]) {
      const attempt = await open(true);
      if (attempt.kind !== "stream") {
        throw new Error(`it is ${attempt.kind}`);
      }
      const { stream } = attempt;
      const told = await (isPushed && stream.flow !== undefined ? pushed(stream) : pulled(stream));
      expect(told).toContain("key [key]");
      expect(told).not.toContain(providerKey);
    }
  });

  test("an engine of ours behind somebody who repeats its key is no exception", async () => {
    const provider = startFakeProvider();
    opened.push(() => provider.close());
    const [address] = parseReplicaAddresses([provider.url], providerKey);
    if (address === undefined) {
      throw new Error("one entry is one address");
    }
    provider.answer = () => Response.json({ error: { code: providerKey } }, { status: 400 });
    const attempt = await openUpstream(
      startMeans(),
      carrier === "fetch" ? { ...address, origin: undefined } : address,
      requestOf(false),
    );
    expect(attempt).toMatchObject({ kind: "fault", error: { code: "[key]" } });
  });
});

async function pulled(stream: OpenStream): Promise<string> {
  const told = [stream.first];
  for (let block = await stream.next(); block !== undefined; block = await stream.next()) {
    told.push(block);
  }
  return Buffer.concat(told).toString();
}

function pushed(stream: OpenStream): Promise<string> {
  const told = [stream.first];
  return new Promise((resolve, reject) => {
    stream.flow?.({
      onBlock: (block) => told.push(block),
      onRead: () => undefined,
      onEnd: () => resolve(Buffer.concat(told).toString()),
      onFail: reject,
    });
  });
}

function pathsOf(provider: FakeProvider): readonly string[] {
  return provider.seen.map(({ path, search }) => `${path}${search}`);
}
