/**
 * Goal: killed between a remote tool's effect and its record, a run never repeats an effect that
 * may not be repeated: it asks the tool what became of it, or reports that nobody knows; and what
 * the engine is sent stays the same to the byte over steps, restarts and the tasks of a
 * conversation. Method: a tool service and an engine in this process, which count and record; `kill
 * -9` of the worker at the place in question.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ToolOutcome } from "@warmpath/proto/common";
import { ToolService } from "@warmpath/proto/tool";
import {
  createMetrics,
  createRpcServer,
  type Listener,
  listenGrpc,
  tracingOff,
} from "@warmpath/runtime";
import { silentLogger, systemClock } from "@warmpath/runtime/base";
import { answerOf, assertWhole, newWatched, watchToEnd, webClient } from "./clients.ts";
import { type RecordingEngine, startRecordingEngine } from "./recording-engine.ts";
import { type System, startSystem, topology } from "./system.ts";

const timeoutMs = 90_000;

let system: System;
let engine: RecordingEngine;
let tools: Listener;
let agentsDir: string;
/** Effects of the tool service, by idempotency key. */
const effects = new Map<string, number>();

beforeAll(async () => {
  tools = await listenGrpc({
    host: "127.0.0.1",
    port: 0,
    servers: toolService(),
    log: silentLogger,
  });
  engine = startRecordingEngine((messages) => {
    const own = messages.slice(messages.findLastIndex(({ role }) => role === "user"));
    const results = own.filter(({ role }) => role === "tool");
    return results.length === 0
      ? {
          calls: [
            { id: `pay-${messages.length}`, name: "pay", args: '{"to": "Zoë\\u0000"}' },
            { id: `book-${messages.length}`, name: "book", args: "{}" },
          ],
        }
      : { text: `saw ${results.map(({ content }) => content).join(" and ")}` };
  });
  agentsDir = mkdtempSync(join(tmpdir(), "warmpath-agents-"));
  writeFileSync(
    join(agentsDir, "payer.yaml"),
    `name: payer\ndescription: Pays.\nsystem_prompt: Pay — with care.\ntool_services:\n  - url: http://127.0.0.1:${tools.port}\n`,
  );
  system = await startSystem({
    args: ["--upstream", engine.url],
    env: {
      WARMPATH_LEASE_MS: "2000",
      WARMPATH_LEASE_RENEW_MS: "500",
      WARMPATH_AGENTS: agentsDir,
    },
  });
}, timeoutMs);

afterAll(async () => {
  await system?.stop();
  await engine?.stop();
  await tools?.close(100);
  rmSync(agentsDir, { recursive: true, force: true });
});

/** `pay` can neither be repeated nor asked about; `book` can be asked about. */
function toolService() {
  const definition = (name: string) => ({
    name,
    description: name,
    parametersJson: '{"type":"object"}',
  });
  return createRpcServer({
    service: "tools",
    signer: undefined,
    metrics: createMetrics("tools"),
    tracing: tracingOff,
    log: silentLogger,
    clock: systemClock,
    routes: (router) =>
      router.service(ToolService, {
        listTools: () => ({
          tools: [
            { definition: definition("pay") },
            { definition: definition("book"), reconcilable: true },
          ],
        }),
        callTool: ({ name, idempotencyKey }) => {
          effects.set(idempotencyKey, (effects.get(idempotencyKey) ?? 0) + 1);
          return { outcome: ToolOutcome.DONE, contentJson: `"${name} done\\u0000"` };
        },
        reconcileTool: ({ idempotencyKey }) => ({
          outcome: effects.has(idempotencyKey) ? ToolOutcome.DONE : ToolOutcome.FAILED,
          contentJson: '"book found"',
        }),
      }),
  });
}

/** The raw text of a request's messages, without the closing bracket. */
function messagesOf(body: string): string {
  const start = body.indexOf('"messages":[') + '"messages":'.length;
  let depth = 0;
  let isText = false;
  for (let index = start; index < body.length; index++) {
    const char = body[index];
    if (isText) {
      if (char === "\\") index++;
      else if (char === '"') isText = false;
    } else if (char === '"') isText = true;
    else if (char === "[" || char === "{") depth++;
    else if ((char === "]" || char === "}") && --depth === 0) return body.slice(start, index);
  }
  throw new Error("the request has no messages");
}

describe(`a remote tool's effects on ${topology}`, () => {
  for (const place of ["after-tools-executing", "tool-called", "tool-called:2"]) {
    test(
      `killed at ${place}: each effect happens at most once, and the engine is sent the same prefix again`,
      async () => {
        await system.killWorker();
        await system.restartWorker({ WARMPATH_CRASH_AT: place });
        const client = webClient(system);
        const threadId = `thread-${place}`;
        const before = engine.bodies.length;
        const submit = () =>
          client.submitTask({ agent: "payer", message: { text: "Pay\0 Zoë." }, threadId });
        const { taskId } = await submit();
        const watched = newWatched();
        const watching = watchToEnd(client, taskId, { watched, timeoutMs: 40_000 });
        await system.workerExited();
        await system.restartWorker();
        await watching;
        assertWhole(watched);

        const finished = watched.events.flatMap(({ kind }) =>
          kind.case === "toolFinished" ? [kind.value] : [],
        );
        expect(finished.map(({ name }) => name).sort()).toEqual(["book", "pay"]);
        const own = [...effects].filter(([key]) => key.startsWith(taskId));
        expect(own.filter(([, count]) => count > 1)).toEqual([]);
        for (const { name, outcome } of finished) {
          const key = `${taskId}.1.${name === "pay" ? 0 : 1}`;
          // What is reported as done was done; of a payment that was cut short nobody claims to
          // know.
          if (outcome === ToolOutcome.DONE) expect(effects.get(key)).toBe(1);
          if (name === "pay") expect(outcome).not.toBe(ToolOutcome.FAILED);
          if (name === "book") expect(outcome).not.toBe(ToolOutcome.UNKNOWN);
        }
        if (place.startsWith("tool-called")) {
          expect(own.length).toBeGreaterThan(0);
        }
        expect(answerOf(watched)).toContain("saw");

        // The next task of the conversation continues the same prompt.
        await watchToEnd(client, (await submit()).taskId);
        const prompts = engine.bodies.slice(before).map(messagesOf);
        expect(prompts.length).toBe(4);
        for (const [index, prompt] of prompts.entries()) {
          expect(prompt.startsWith(prompts[index - 1] ?? "")).toBeTrue();
        }
        const rest = engine.bodies.slice(before).map((body) => body.replace(messagesOf(body), ""));
        expect(new Set(rest).size).toBe(1);
      },
      timeoutMs,
    );
  }
});
