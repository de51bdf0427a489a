import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { TextDeltaSchema } from "@warmpath/proto/common";
import { AgentService } from "@warmpath/proto/gateway";
import { type Random, seededRandom } from "@warmpath/runtime/base";
import { answered, type FakeTask, readEvent } from "./testing/index.ts";
import { startTestGateway } from "./testing/start-test-gateway.ts";
import { createWatcherCheck } from "./testing/watcher-check.ts";
import { createWorld } from "./testing/world.ts";
import { ended } from "./testing/world-events.ts";

let door: Awaited<ReturnType<typeof startTestGateway>>;
let client: Client<typeof AgentService>;

beforeAll(async () => {
  door = await startTestGateway({
    WARMPATH_GATEWAY_WATCH_POLL_MS: "20",
    WARMPATH_GATEWAY_WATCH_REREAD_MS: "2",
    WARMPATH_GATEWAY_HEARTBEAT_MS: "150",
    WARMPATH_GATEWAY_WATCH_BUFFER_DELTAS: "3",
    WARMPATH_GATEWAY_WATCH_PAGE_EVENTS: "2",
  });
  client = clientWith("key-acme");
});

afterAll(() => door.close());

function clientWith(key: string): Client<typeof AgentService> {
  const transport = createConnectTransport({
    baseUrl: door.url,
    useBinaryFormat: true,
    interceptors: [
      (next) => (request) => {
        request.header.set("authorization", `Bearer ${key}`);
        return next(request);
      },
    ],
  });
  return createClient(AgentService, transport);
}

async function newTask(): Promise<FakeTask> {
  const { taskId } = await client.submitTask({ agent: "assistant", message: { text: "go" } });
  const task = door.state.tasks.get(taskId);
  if (task === undefined) {
    throw new Error("the fake lost the task");
  }
  return task;
}

function piece(step: number, offset: number, text: string) {
  return create(TextDeltaSchema, { step, attempt: 1n, offsetBytes: BigInt(offset), text });
}

async function gaugeOf(name: string): Promise<number> {
  const text = await door.metrics.text();
  return Number(new RegExp(`^${name}\\{[^}]*\\} (\\d+)$`, "m").exec(text)?.[1] ?? Number.NaN);
}

async function eventually(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) {
    if (await isTrue()) {
      return;
    }
    await Bun.sleep(5);
  }
  throw new Error("not within a second");
}

/**
 * Goal: the watch invariant through the real door: HTTP, the hub, the bus, slow watchers,
 * reconnects. Method: a seeded world lives beside two watchers; announcements are dropped, doubled
 * and delayed, the hot copy comes and goes, and each watcher breaks its stream now and then and
 * resumes from its last cursor.
 */
describe("WatchTask under seeded interleavings", () => {
  test("every watcher gets the whole record, once, and text that adds up to it", async () => {
    const seeds = Array.from({ length: 120 }, (_, seed) => seed);
    const reconnects = await Promise.all(seeds.map(runOnce));
    expect(reconnects.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(100);
    await eventually(async () => (await gaugeOf("warmpath_gateway_watchers")) === 0);
    expect(await gaugeOf("warmpath_gateway_watched_tasks")).toBe(0);
  }, 30_000);
});

async function runOnce(seed: number): Promise<number> {
  const random = seededRandom(seed);
  const world = createWorld(random);
  const task = await newTask();
  world.onChange = (change) => {
    if ("delta" in change) {
      const isLost = random.next() < 0.15;
      if (!isLost) {
        door.state.say(task, change.delta, random.next() < 0.8);
      }
      return;
    }
    const event = world.events.at(-1);
    if (event !== undefined && change.recordedSeq > 1n) {
      door.state.record(task, event, random.next() < 0.8);
    }
  };
  const watchers = [1, 2].map((nth) => follow(task.taskId, world, seededRandom(`${seed}.${nth}`)));
  while (!world.isFinished) {
    world.advance();
    const old = random.next() < 0.2 ? world.someMessage() : undefined;
    if (old !== undefined) {
      door.state.say(task, old, false);
    }
    if (random.next() < 0.5) {
      await Bun.sleep(random.next() * 6);
    }
  }
  const counts = await Promise.all(watchers);
  return counts.reduce((sum, count) => sum + count, 0);
}

async function follow(taskId: string, world: ReturnType<typeof createWorld>, random: Random) {
  const check = createWatcherCheck(`task ${taskId}`);
  let reconnects = 0;
  while (!check.isEnded) {
    const breakAfter = random.next() < 0.6 ? Math.floor(random.next() * 8) : Number.MAX_VALUE;
    const broken = new AbortController();
    let count = 0;
    const options = { signal: broken.signal };
    for await (const response of client.watchTask({ taskId, cursor: check.cursor }, options)) {
      check.receive([response]);
      count += 1;
      if (count > breakAfter) {
        reconnects += 1;
        break;
      }
      if (random.next() < 0.1) {
        await Bun.sleep(random.next() * 15);
      }
    }
    broken.abort();
  }
  check.finish(world);
  return reconnects;
}

describe("WatchTask", () => {
  test("tells live text before the step is recorded, and ends after the terminal event", async () => {
    const task = await newTask();
    const words: string[] = [];
    for await (const { update } of client.watchTask({ taskId: task.taskId })) {
      if (update.case === "event") {
        words.push(update.value.kind.case ?? "?");
      } else if (update.case === "delta") {
        words.push(`+${update.value.text}`);
      }
      if (words.length === 1) {
        door.state.say(task, piece(1, 0, "Hel"));
      } else if (words.length === 2) {
        door.state.say(task, piece(1, 3, "lo"));
      } else if (words.length === 3) {
        door.state.record(task, answered(2, 1, 1, "Hello!"));
        door.state.record(task, ended(3, "completed", "Hello!"));
      }
    }
    expect(words).toEqual(["submitted", "+Hel", "+lo", "+!", "modelAnswered", "completed"]);
  });

  test("shares one subscription and one feed among the watchers of a task", async () => {
    const task = await newTask();
    const stop = new AbortController();
    const seen = [0, 0, 0];
    const watching = seen.map(async (_, index) => {
      const stream = client.watchTask({ taskId: task.taskId }, { signal: stop.signal });
      try {
        for await (const _response of stream) {
          seen[index] = (seen[index] ?? 0) + 1;
        }
      } catch (thrown) {
        expect(ConnectError.from(thrown).code).toBe(Code.Canceled);
      }
    });
    await eventually(() => seen.every((count) => count >= 1));
    expect(await gaugeOf("warmpath_gateway_watchers")).toBe(3);
    expect(await gaugeOf("warmpath_gateway_watched_tasks")).toBe(1);
    door.state.say(task, piece(1, 0, "hi"));
    await eventually(() => seen.every((count) => count >= 2));
    stop.abort();
    await Promise.all(watching);
    await eventually(async () => (await gaugeOf("warmpath_gateway_watched_tasks")) === 0);
  });

  test("beats while nothing happens, with a cursor that resumes", async () => {
    const task = await newTask();
    for await (const { update, cursor } of client.watchTask({ taskId: task.taskId })) {
      if (update.case === "heartbeat") {
        expect(cursor).not.toBe("");
        break;
      }
    }
  });

  test("reads again what a slow watcher's bounded buffer dropped", async () => {
    const task = await newTask();
    let text = "";
    for await (const { update } of client.watchTask({ taskId: task.taskId })) {
      if (update.case === "event" && update.value.kind.case === "submitted") {
        // Forty pieces in one go: far more than the three that the buffer holds.
        for (let count = 0; count < 40; count += 1) {
          door.state.say(task, piece(1, count * 2, "é"));
        }
      } else if (update.case === "delta") {
        text += update.value.text;
      }
      if (text.length === 40) {
        break;
      }
    }
    expect(text).toBe("é".repeat(40));
  });

  test("a cursor past the end answers at once that there is no more", async () => {
    const task = await newTask();
    door.state.record(task, ended(2, "completed"));
    let last = "";
    for await (const { cursor } of client.watchTask({ taskId: task.taskId })) {
      last = cursor;
    }
    let count = 0;
    for await (const _response of client.watchTask({ taskId: task.taskId, cursor: last })) {
      count += 1;
    }
    expect(count).toBe(0);
  });

  test("refuses a cursor of another task, naming the field, and another tenant's task", async () => {
    const task = await newTask();
    const other = await newTask();
    let cursor = "";
    for await (const response of client.watchTask({ taskId: task.taskId })) {
      cursor = response.cursor;
      break;
    }
    const refused = await failureOf(client.watchTask({ taskId: other.taskId, cursor }));
    expect(refused.code).toBe(Code.InvalidArgument);
    expect(refused.message).toContain("cursor");
    const stranger = clientWith("key-other").watchTask({ taskId: task.taskId });
    expect((await failureOf(stranger)).code).toBe(Code.NotFound);
    const strangerAtEnd = clientWith("key-other").watchTask({ taskId: task.taskId, cursor });
    expect((await failureOf(strangerAtEnd)).code).toBe(Code.NotFound);
  });

  test("says so when the log cannot be read for long, and resumes when it can", async () => {
    const task = await newTask();
    let cursor = "";
    let failure: ConnectError | undefined;
    try {
      for await (const response of client.watchTask({ taskId: task.taskId })) {
        cursor = response.cursor;
        door.state.isDown = true;
      }
    } catch (thrown) {
      failure = ConnectError.from(thrown);
    }
    expect(failure?.code).toBe(Code.Unavailable);
    door.state.isDown = false;
    door.state.record(task, readEvent(2, { case: "started", value: {} }), false);
    for await (const { update } of client.watchTask({ taskId: task.taskId, cursor })) {
      expect(update.case === "event" && update.value.kind.case).toBe("started");
      break;
    }
  });
});

async function failureOf(stream: AsyncIterable<unknown>): Promise<ConnectError> {
  try {
    for await (const _response of stream) {
      throw new Error("a response came");
    }
  } catch (thrown) {
    return ConnectError.from(thrown);
  }
  throw new Error("the stream ended well");
}
