import { createHash } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import type { ConnectRouter, HandlerContext, Transport } from "@connectrpc/connect";
import {
  type LiveUpdate,
  LiveUpdateSchema,
  TaskState,
  type TextDelta,
} from "@warmpath/proto/common";
import {
  AgentRegistry,
  type CreateTaskRequest,
  KeySchema,
  KeyService,
  type ReadEvent,
  type TaskLimits,
  TaskService,
} from "@warmpath/proto/state";
import {
  type Bus,
  createMetrics,
  createRpcServer,
  keysRevokedSubject,
  liveSubject,
  type Principal,
  type PrincipalSigner,
  principalOf,
  tracingOff,
} from "@warmpath/runtime";
import { newId, silentLogger, systemClock, WarmpathError } from "@warmpath/runtime/base";
import { isTerminal } from "../watch/terminal.ts";
import { submitted } from "./world-events.ts";

/** A task as the fake keeps it. */
export interface FakeTask {
  readonly taskId: string;
  readonly principal: Principal;
  readonly request: CreateTaskRequest;
  readonly events: ReadEvent[];
  live: TextDelta | undefined;
}

/** The services of `state` that the gateway calls, in memory, for its tests: real RPC, no store. */
export interface FakeState {
  readonly transport: Transport;
  readonly tasks: ReadonlyMap<string, FakeTask>;
  readonly calls: Record<"lookUpKey" | "readEvents" | "listAgents", number>;
  /** While true every call fails as UNAVAILABLE. */
  isDown: boolean;
  agents: string[];
  /** Called for each created task, in place of a worker. */
  onCreate: (task: FakeTask) => void;
  addKey(secret: string, key: { keyId: string; tenant: string; limits?: object }): void;
  /** Forgets the key and, unless told not to, says so on the bus. */
  revokeKey(keyId: string, isAnnounced?: boolean): void;
  /** Appends to the log and, unless told not to, announces it. */
  record(task: FakeTask, event: ReadEvent, isAnnounced?: boolean): void;
  /** Publishes live text and, unless told not to, keeps it in the hot copy. */
  say(task: FakeTask, delta: TextDelta, isKept?: boolean): void;
}

/** A fake that verifies signed principals, as the real one does. */
export function createFakeState(bus: Bus, signer: PrincipalSigner): FakeState {
  const tasks = new Map<string, FakeTask>();
  const keys = new Map<string, ReturnType<typeof create<typeof KeySchema>>>();
  const publish = (task: FakeTask, update: LiveUpdate["update"]) => {
    const payload = toBinary(LiveUpdateSchema, create(LiveUpdateSchema, { update }));
    bus.publish(liveSubject(task.principal.tenant, task.taskId), payload);
  };
  const state: FakeState = {
    transport: undefined as unknown as Transport, // Set below, once the routes that use `state` exist.
    tasks,
    calls: { lookUpKey: 0, readEvents: 0, listAgents: 0 },
    isDown: false,
    agents: ["assistant", "researcher"],
    onCreate: () => undefined,
    addKey(secret, { keyId, tenant, limits }) {
      const hash = createHash("sha256").update(secret).digest("hex");
      keys.set(hash, create(KeySchema, { keyId, tenant, user: "ada", ...(limits && { limits }) }));
    },
    revokeKey(keyId, isAnnounced = true) {
      for (const [hash, key] of keys) {
        if (key.keyId === keyId) {
          keys.delete(hash);
        }
      }
      if (isAnnounced) {
        bus.publish(keysRevokedSubject(), Buffer.from(keyId));
      }
    },
    record(task, event, isAnnounced = true) {
      task.events.push(event);
      task.live = event.event?.kind.case === "modelAnswered" ? undefined : task.live;
      if (isAnnounced) {
        publish(task, { case: "recordedSeq", value: BigInt(task.events.length) });
      }
    },
    say(task, delta, isKept = true) {
      if (isKept) {
        task.live = kept(task.live, delta);
      }
      publish(task, { case: "delta", value: delta });
    },
  };
  const server = createRpcServer({
    service: "state",
    routes: (router) => mount(router, state, tasks, keys),
    signer,
    metrics: createMetrics("state"),
    tracing: tracingOff,
    log: silentLogger,
    clock: systemClock,
  });
  return Object.assign(state, { transport: server.transport() });
}

function mount(
  router: ConnectRouter,
  state: FakeState,
  tasks: Map<string, FakeTask>,
  keys: Map<string, ReturnType<typeof create<typeof KeySchema>>>,
): void {
  const assertUp = () => {
    if (state.isDown) {
      throw new WarmpathError("failed-store", "the fake store is down");
    }
  };
  const taskOf = (taskId: string, context: HandlerContext) => {
    assertUp();
    const task = tasks.get(taskId);
    if (task === undefined || task.principal.tenant !== principalOf(context).tenant) {
      throw new WarmpathError("rejected-not-found", `there is no task ${taskId}`);
    }
    return task;
  };
  router.service(KeyService, {
    lookUpKey({ secretHash }) {
      assertUp();
      state.calls.lookUpKey += 1;
      const key = keys.get(Buffer.from(secretHash).toString("hex"));
      if (key === undefined) {
        throw new WarmpathError("rejected-not-found", "no such key");
      }
      return { key };
    },
  });
  router.service(AgentRegistry, {
    listAgents() {
      assertUp();
      state.calls.listAgents += 1;
      const specHash = "0".repeat(64);
      return { agents: state.agents.map((name) => ({ name, description: "", specHash })) };
    },
  });
  router.service(TaskService, {
    createTask(request, context) {
      assertUp();
      const principal = principalOf(context);
      const mine = [...tasks.values()].filter((task) => task.principal.tenant === principal.tenant);
      const same = mine.find(
        ({ request: earlier }) =>
          request.idempotencyKey !== "" && earlier.idempotencyKey === request.idempotencyKey,
      );
      if (same !== undefined) {
        return { taskId: same.taskId };
      }
      assertWithin(request.limits, mine);
      const taskId = newId("task");
      const events = [submitted(1, request.text)];
      const task: FakeTask = { taskId, principal, request, events, live: undefined };
      tasks.set(taskId, task);
      state.onCreate(task);
      return { taskId };
    },
    getTask({ taskId }, context) {
      const task = taskOf(taskId, context);
      return { task: summaryOf(task) };
    },
    listTasks({ threadId }, context) {
      assertUp();
      const { tenant } = principalOf(context);
      const isListed = ({ principal, request }: FakeTask) =>
        principal.tenant === tenant && (threadId === "" || request.threadId === threadId);
      const mine = [...tasks.values()].filter(isListed);
      return { tasks: mine.map(summaryOf).reverse() };
    },
    cancelTask({ taskId }, context) {
      taskOf(taskId, context);
      return { state: TaskState.CANCELLED };
    },
    sendMessage({ taskId }, context) {
      taskOf(taskId, context);
      return { taskId };
    },
    readEvents({ taskId, afterSeq, limit }, context) {
      const task = taskOf(taskId, context);
      state.calls.readEvents += 1;
      const rest = task.events.slice(Number(afterSeq));
      const hasMore = rest.length > limit;
      const events = rest.slice(0, limit);
      return { events, hasMore, ...(!hasMore && task.live && { live: task.live }) };
    },
  });
}

/** As the hot copy keeps text: a beginning without holes, or nothing. */
function kept(live: TextDelta | undefined, delta: TextDelta): TextDelta | undefined {
  const isSame = live !== undefined && live.step === delta.step && live.attempt === delta.attempt;
  if (isSame && BigInt(Buffer.byteLength(live.text)) === delta.offsetBytes) {
    return { ...live, text: live.text + delta.text };
  }
  return delta.offsetBytes === 0n && !isSame ? delta : live;
}

function summaryOf({ taskId, request, events }: FakeTask) {
  const { agent, threadId, text: prompt } = request;
  const isEnded = isTerminal(events.at(-1)?.event?.kind.case);
  const state = isEnded ? TaskState.COMPLETED : TaskState.RUNNING;
  return { taskId, agent, threadId, prompt, state };
}

function assertWithin(limits: TaskLimits | undefined, mine: readonly FakeTask[]): void {
  const open = mine.filter(({ events }) => !isTerminal(events.at(-1)?.event?.kind.case));
  const max = limits?.concurrentTasks ?? 0;
  if (max > 0 && open.length >= max) {
    const sentence = `this key has ${open.length} tasks open, as many as it may`;
    throw new WarmpathError("rejected-concurrency-limit", sentence, { retryAfterMs: 1000 });
  }
}
