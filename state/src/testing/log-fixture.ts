import { create } from "@bufbuild/protobuf";
import {
  CancelledSchema,
  CompletedSchema,
  type Event,
  EventSchema,
  FailedSchema,
  ModelAnsweredSchema,
  StartedSchema,
  ToolFinishSchema,
  ToolIntentSchema,
  ToolsFinishedSchema,
  WaitingSchema,
} from "@warmpath/proto/log";
import { type Bus, createMemoryBus, encodeWire, messageHash, userMessage } from "@warmpath/runtime";
import { silentLogger, systemClock } from "@warmpath/runtime/base";
import { createMemoryHot } from "../hot/memory-hot.ts";
import { createTaskLog } from "../log/create-log.ts";
import { createTask, type TaskRequest } from "../log/create-task.ts";
import { type LogConfig, logConfigDefault } from "../log/log-config.ts";
import { createOutboxPump, type OutboxPump } from "../log/outbox.ts";
import type { NewMessage, TaskLog, TaskRef } from "../log/types.ts";
import type { DispatchQueue } from "../queue/dispatch-queue.ts";
import { createMemoryQueue } from "../queue/memory-queue.ts";
import type { Store } from "../store/store.ts";

/** A log over a test store, with everything else in memory. */
export interface LogFixture {
  readonly log: TaskLog;
  readonly queue: DispatchQueue;
  readonly bus: Bus;
  readonly pump: OutboxPump;
  readonly config: LogConfig;
  /** Creates a task as a client of tenant "acme" would; the rest of the request can be given. */
  submit(
    part?: Partial<TaskRequest> & { readonly tenant?: string; readonly user?: string },
  ): Promise<TaskRef>;
}

/** Builds the fixture and registers the agent "assistant". */
export async function createLogFixture(
  store: Store,
  changes: Partial<LogConfig> = {},
): Promise<LogFixture> {
  const config = { ...logConfigDefault, ...changes };
  const clock = systemClock;
  const queue = createMemoryQueue(clock);
  const bus = createMemoryBus();
  const pump = createOutboxPump({ store, queue, log: silentLogger, clock });
  const hot = createMemoryHot(clock);
  const log = createTaskLog({ store, hot, queue, bus, clock, config, pump, log: silentLogger });
  await store.write.query(
    `insert into agents (tenant, name, payload, expires_at) values ('system', 'assistant', '', now())
     on conflict do nothing`,
  );
  return {
    log,
    queue,
    bus,
    pump,
    config,
    async submit(part = {}) {
      const tenant = part.tenant ?? "acme";
      const created = await createTask(
        { store, config },
        {
          principal: { tenant, user: part.user ?? "ada", keyId: "key_1", agentChain: [] },
          agent: "assistant",
          text: "hello",
          threadId: "",
          idempotencyKey: "",
          lane: "standard",
          limits: { concurrentTasks: 0, conversationMessages: 0 },
          traceparent: "",
          ...part,
        },
      );
      pump.offer(created.outbox);
      return { tenant, taskId: created.taskId };
    },
  };
}

/** A stored form of a user's text. */
export function newMessage(text: string): NewMessage {
  const message = encodeWire(userMessage(text));
  return { hash: messageHash(message), message };
}

/** A Started event. */
export function started(): Event {
  return create(EventSchema, { kind: { case: "started", value: create(StartedSchema) } });
}

/** A ModelAnswered event of a step with the calls it asks for. */
export function answered(
  step: number,
  message: NewMessage,
  callIds: readonly string[] = [],
): Event {
  const intents = callIds.map((callId) =>
    create(ToolIntentSchema, {
      callId,
      name: "calculator",
      argumentsJson: new TextEncoder().encode('{"a":1}'),
    }),
  );
  const value = create(ModelAnsweredSchema, {
    step,
    attempt: 1n,
    messageHash: message.hash,
    intents,
  });
  return create(EventSchema, { kind: { case: "modelAnswered", value } });
}

/** A ToolsFinished event with one result. */
export function finished(step: number, callId: string, message: NewMessage): Event {
  const results = [create(ToolFinishSchema, { callId, outcome: 1, messageHash: message.hash })];
  const value = create(ToolsFinishedSchema, { step, results });
  return create(EventSchema, { kind: { case: "toolsFinished", value } });
}

/** An event that ends or suspends a run, with empty fields. */
export function plainEvent(kind: "completed" | "failed" | "cancelled" | "waiting"): Event {
  switch (kind) {
    case "completed":
      return create(EventSchema, { kind: { case: kind, value: create(CompletedSchema) } });
    case "failed":
      return create(EventSchema, { kind: { case: kind, value: create(FailedSchema) } });
    case "cancelled":
      return create(EventSchema, { kind: { case: kind, value: create(CancelledSchema) } });
    case "waiting":
      return create(EventSchema, { kind: { case: kind, value: create(WaitingSchema) } });
  }
}
