import { describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { type WatchTaskResponse, WatchTaskResponseSchema } from "@warmpath/proto/gateway";
import { answered, ended, readEvent, submitted } from "../testing/world-events.ts";
import { emptyRun, type RunView, withUpdate } from "./run-view.ts";

function event({ event: value }: ReturnType<typeof submitted>): WatchTaskResponse {
  if (value === undefined) {
    throw new Error("no event");
  }
  return create(WatchTaskResponseSchema, { update: { case: "event", value } });
}

function text(step: number, piece: string): WatchTaskResponse {
  const update = { case: "delta" as const, value: { step, text: piece } };
  return create(WatchTaskResponseSchema, { update });
}

function retraction(step: number): WatchTaskResponse {
  return create(WatchTaskResponseSchema, { update: { case: "retraction", value: { step } } });
}

function shown(...updates: WatchTaskResponse[]): RunView {
  return updates.reduce(withUpdate, emptyRun({ taskId: "t", agent: "assistant", prompt: "hi" }));
}

const call = { step: 1, callId: "c1", name: "calculator", argumentsJson: '{"a":1}' };

describe("run view", () => {
  test("shows text as it comes, then who served it", () => {
    const live = shown(event(submitted(1)), text(1, "4"), text(1, "2"));
    expect(live).toMatchObject({ state: "running", items: [{ text: "42", served: undefined }] });
    const done = [event(answered(2, 1, 1, "42")), event(ended(3, "completed"))].reduce(
      withUpdate,
      live,
    );
    const served = { replica: "replica-1", isSimulated: true };
    expect(done).toMatchObject({ state: "completed", items: [{ text: "42", served }] });
  });

  test("keeps taken-back text visible until the next attempt replaces it", () => {
    const voided = shown(text(1, "old"), retraction(1));
    expect(voided.items[0]).toMatchObject({ text: "old", isVoid: true });
    const replaced = withUpdate(voided, text(1, "new"));
    expect(replaced.items[0]).toMatchObject({ text: "new", isVoid: false });
  });

  test("follows a tool call from request to result", () => {
    const asked = shown(event(readEvent(2, { case: "toolStarted", value: call })));
    expect(asked.items[0]).toMatchObject({ tools: [{ name: "calculator", outcome: "running" }] });
    const finished = { ...call, outcome: 1, content: "2" };
    const done = withUpdate(asked, event(readEvent(3, { case: "toolFinished", value: finished })));
    const tool = { args: '{"a":1}', outcome: "done", content: "2" };
    expect(done.items[0]).toMatchObject({ tools: [tool] });
  });

  test("places messages for the running task between its steps, and says why it waits or failed", () => {
    const received = event(readEvent(3, { case: "messageReceived", value: { text: "hurry" } }));
    const waiting = event(readEvent(4, { case: "waiting", value: { reason: "for a child" } }));
    const run = shown(text(1, "a"), received, text(2, "b"), waiting);
    expect(run.items.map(({ kind }) => kind)).toEqual(["step", "message", "step"]);
    expect([run.state, run.note]).toEqual(["waiting", "for a child"]);
    expect(withUpdate(run, event(ended(5, "failed"))).note).toBe("too many steps");
  });
});
