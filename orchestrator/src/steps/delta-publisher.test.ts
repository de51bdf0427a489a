import { describe, expect, test } from "bun:test";
import { fromBinary } from "@bufbuild/protobuf";
import { LiveUpdateSchema, type TextDelta } from "@warmpath/proto/common";
import { createMemoryBus, liveSubject } from "@warmpath/runtime";
import { createManualClock } from "@warmpath/runtime/testing";
import { createDeltaPublisher } from "./delta-publisher.ts";

async function createProbe() {
  const bus = createMemoryBus();
  const clock = createManualClock();
  const ref = { tenant: "acme", taskId: "task_1" };
  const onBus: TextDelta[] = [];
  const kept: TextDelta[] = [];
  await bus.subscribe(liveSubject(ref.tenant, ref.taskId), (payload) => {
    const { update } = fromBinary(LiveUpdateSchema, payload);
    if (update.case === "delta") onBus.push(update.value);
  });
  const live = {
    append: (_: unknown, delta: TextDelta) => kept.push(delta),
    clear: () => undefined,
  };
  const publisher = createDeltaPublisher({ bus, live, clock, intervalMs: 15 });
  const settle = () => new Promise((resolve) => setTimeout(resolve, 1));
  return { clock, kept, onBus, settle, text: publisher.open(ref, 2, 5_001n) };
}

describe("createDeltaPublisher()", () => {
  test("sends the first piece at once and bundles what follows within the interval", async () => {
    const { clock, kept, onBus, settle, text } = await createProbe();
    text.push("one");
    expect(kept.map((delta) => delta.text)).toEqual(["one"]);
    text.push(" two");
    text.push(" three");
    expect(kept).toHaveLength(1);
    await clock.advance(15);
    await settle();
    expect(kept.map((delta) => delta.text)).toEqual(["one", " two three"]);
    expect(onBus).toEqual(kept);
    expect(kept[1]).toMatchObject({ step: 2, attempt: 5_001n, offsetBytes: 3n });
  });

  test("counts offsets in bytes and never splits a character", async () => {
    const { clock, kept, settle, text } = await createProbe();
    const sentence = "é🦊ö🦊";
    for (const unit of sentence.split("")) {
      text.push(unit);
      await clock.advance(15);
      await settle();
    }
    text.end();
    let offset = 0;
    for (const delta of kept) {
      expect(delta.text.isWellFormed()).toBeTrue();
      expect(Number(delta.offsetBytes)).toBe(offset);
      offset += Buffer.byteLength(delta.text);
    }
    expect(kept.map((delta) => delta.text).join("")).toBe(sentence);
  });

  test("makes a half character at the end legal", async () => {
    const { kept, text } = await createProbe();
    text.push("a\ud83e");
    text.end();
    expect(kept.map((delta) => delta.text).join("")).toBe("a\ufffd");
  });
});
