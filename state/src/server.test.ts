import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Lane, TaskState } from "@warmpath/proto/common";
import {
  AgentRegistry,
  ConversationService,
  KeyService,
  KnowledgeService,
  TaskService,
} from "@warmpath/proto/state";
import {
  createHealth,
  createMemoryBus,
  createMetrics,
  createPrincipalSigner,
  createRpcServer,
  createServiceClient,
  servicePrincipal,
  tracingOff,
} from "@warmpath/runtime";
import { silentLogger, systemClock, WarmpathError } from "@warmpath/runtime/base";
import { createMemoryHot } from "./hot/memory-hot.ts";
import { createTaskLog } from "./log/create-log.ts";
import { createMemoryQueue } from "./queue/memory-queue.ts";
import { createStateServer } from "./server.ts";
import { ensureKey, hashSecret, newSecret } from "./services/key-service.ts";
import { answered, finished, newMessage, plainEvent, started } from "./testing/log-fixture.ts";
import { openMsMax, openTestStore, type TestStore, testStoreKinds } from "./testing/test-store.ts";

const reasonOf = (work: Promise<unknown>) =>
  work.then(
    () => "no error",
    (error: unknown) => WarmpathError.from(error).reason,
  );

function serve(db: TestStore) {
  const clock = systemClock;
  const log = silentLogger;
  const shared = {
    store: db.store,
    hot: createMemoryHot(clock),
    queue: createMemoryQueue(clock),
    bus: createMemoryBus(),
    clock,
    log,
  };
  const health = createHealth({ clock });
  const server = createStateServer({ ...shared, health });
  const taskLog = createTaskLog({ ...shared, pump: server.pump });
  const signer = createPrincipalSigner(["a-key-for-tests-only"], clock);
  const metrics = createMetrics("state");
  const rpc = createRpcServer({
    service: "state",
    routes: server.routes,
    signer,
    metrics,
    tracing: tracingOff,
    log,
    clock,
  });
  const transport = rpc.transport();
  const options = { signer, tracing: tracingOff, timeoutMs: 5000 };
  return {
    ...shared,
    health,
    server,
    taskLog,
    tasks: createServiceClient(TaskService, transport, options),
    agents: createServiceClient(AgentRegistry, transport, options),
    conversations: createServiceClient(ConversationService, transport, options),
    knowledge: createServiceClient(KnowledgeService, transport, options),
    keys: createServiceClient(KeyService, transport, options),
  };
}

const ada = { principal: { tenant: "acme", user: "ada", keyId: "key_1", agentChain: [] } };
const eve = { principal: { tenant: "evil", user: "eve", keyId: "key_2", agentChain: [] } };
const self = { principal: servicePrincipal("orchestrator") };
const assistant = { name: "assistant", description: "helps\0", specHash: "0".repeat(64) };

for (const { name, skip } of testStoreKinds()) {
  const note = skip === undefined ? "" : ` (skipped: ${skip})`;
  describe.skipIf(skip !== undefined)(`state server on ${name}${note}`, () => {
    let db: TestStore;
    let state: ReturnType<typeof serve>;

    beforeAll(async () => {
      db = await openTestStore(name);
      state = serve(db);
      await state.agents.registerAgents({ agents: [assistant] }, self);
    }, openMsMax);
    afterAll(async () => {
      await state?.server.stop();
      await db?.close();
    });

    const submit = async (text: string, threadId = "") =>
      (await state.tasks.createTask({ agent: "assistant", text, threadId }, ada)).taskId;

    test("registered agents are offered to every tenant, and an unknown one is refused", async () => {
      const { agents } = await state.agents.listAgents({}, ada);
      expect(agents.map((agent) => agent.description)).toEqual(["helps\0"]);
      const unknown = state.tasks.createTask({ agent: "nobody", text: "hi" }, ada);
      expect(await reasonOf(unknown)).toBe("rejected-unknown-agent");
    });

    test("a task is read by its tenant and by no other", async () => {
      const text = `\0${"é".repeat(3000)}`;
      const taskId = await submit(text);
      const { task } = await state.tasks.getTask({ taskId }, ada);
      expect(task).toMatchObject({
        state: TaskState.QUEUED,
        agent: "assistant",
        lane: Lane.STANDARD,
      });
      expect(text.startsWith(task?.prompt ?? "?")).toBe(true);
      for (const wrong of [taskId, "task_\0", "x"]) {
        expect(await reasonOf(state.tasks.getTask({ taskId: wrong }, eve))).toBe(
          "rejected-not-found",
        );
        expect(await reasonOf(state.tasks.cancelTask({ taskId: wrong }, eve))).toBe(
          "rejected-not-found",
        );
        expect(await reasonOf(state.tasks.readEvents({ taskId: wrong }, eve))).toBe(
          "rejected-not-found",
        );
        expect(await reasonOf(state.tasks.sendMessage({ taskId: wrong, text: "x" }, eve))).toBe(
          "rejected-not-found",
        );
      }
      expect(await state.tasks.cancelTask({ taskId }, ada)).toMatchObject({
        state: TaskState.CANCELLED,
      });
      expect(await state.tasks.cancelTask({ taskId }, ada)).toMatchObject({
        state: TaskState.CANCELLED,
      });
    });

    test("lists are paged without gap or double, and an altered token is refused", async () => {
      const ids = new Set<string>();
      for (let index = 0; index < 5; index++) {
        ids.add(await submit("page", "paged"));
      }
      const seen: string[] = [];
      let pageToken = "";
      do {
        const page = await state.tasks.listTasks(
          { pageSize: 2, pageToken, threadId: "paged" },
          ada,
        );
        seen.push(...page.tasks.map((task) => task.taskId));
        pageToken = page.nextPageToken;
        if (pageToken !== "") {
          const altered = pageToken.slice(0, -2) + (pageToken.endsWith("AA") ? "BB" : "AA");
          for (const [wrong, who] of [
            [altered, ada],
            [pageToken, eve],
            ["~", ada],
          ] as const) {
            const call = state.tasks.listTasks({ pageToken: wrong, threadId: "paged" }, who);
            expect(await reasonOf(call)).toBe("rejected-cursor");
          }
        }
      } while (pageToken !== "");
      expect(seen).toEqual([...ids].reverse());
      const queued = await state.tasks.listTasks(
        { state: TaskState.COMPLETED, threadId: "paged" },
        ada,
      );
      expect(queued.tasks).toEqual([]);
    });

    test("events are read as watchers see them, in pages, with the answer in progress", async () => {
      const taskId = await submit("what is 6*7?", "views");
      const claim = await state.taskLog.claim({ tenant: "acme", taskId }, "worker");
      if (claim === undefined) {
        throw new Error("not claimed");
      }
      const { lease, task } = claim;
      const delta = {
        $typeName: "warmpath.common.v1.TextDelta" as const,
        step: 1,
        attempt: 1n,
        offsetBytes: 0n,
        text: "thin",
      };
      state.taskLog.live.append(lease, delta);
      state.taskLog.live.append(lease, { ...delta, offsetBytes: 4n, text: "king" });
      await Bun.sleep(5);
      const before = await state.tasks.readEvents({ taskId }, ada);
      expect(before.live).toMatchObject({ step: 1, attempt: 1n, text: "thinking" });
      const thought = newMessage("let me see");
      const result = newMessage("42");
      let seq = await state.taskLog.append(lease, task.lastSeq, {
        events: [started(), answered(1, thought, ["call_1"])],
        messages: [thought],
      });
      seq = await state.taskLog.append(lease, seq, {
        events: [finished(1, "call_1", result)],
        messages: [result],
      });
      await state.taskLog.append(lease, seq, {
        events: [plainEvent("completed")],
        state: "COMPLETED",
        answer: "42",
      });
      const first = await state.tasks.readEvents({ taskId, limit: 3 }, ada);
      expect(first.hasMore).toBe(true);
      expect(first.live).toBeUndefined();
      expect(first.events[0]?.event?.kind).toMatchObject({
        case: "submitted",
        value: { text: "what is 6*7?" },
      });
      expect(first.events[2]).toMatchObject({
        attempt: 1n,
        event: { kind: { case: "modelAnswered" } },
      });
      const rest = await state.tasks.readEvents({ taskId, afterSeq: 3n }, ada);
      expect(rest.events.map((each) => each.event?.kind.case)).toEqual([
        "toolFinished",
        "completed",
      ]);
      expect(rest.events[0]?.event?.kind.value).toMatchObject({
        name: "calculator",
        callId: "call_1",
      });
    });

    test("a message to an ended task goes on in its conversation", async () => {
      const taskId = await submit("first", "goes-on");
      await state.tasks.cancelTask({ taskId }, ada);
      const sent = await state.tasks.sendMessage(
        { taskId, text: "second", idempotencyKey: "again" },
        ada,
      );
      const again = await state.tasks.sendMessage(
        { taskId, text: "second", idempotencyKey: "again" },
        ada,
      );
      expect(sent.taskId).not.toBe(taskId);
      expect(again.taskId).toBe(sent.taskId);
      expect((await state.tasks.getTask({ taskId: sent.taskId }, ada)).task?.threadId).toBe(
        "goes-on",
      );
    });

    test("conversations are read and listed by their user", async () => {
      const taskId = await submit("hello", "read-me");
      const claim = await state.taskLog.claim({ tenant: "acme", taskId }, "worker");
      const answer = newMessage("hi");
      if (claim !== undefined) {
        await state.taskLog.append(claim.lease, 1n, {
          events: [plainEvent("completed")],
          messages: [answer],
          state: "COMPLETED",
          conversation: [claim.task.messageHash, answer.hash],
        });
      }
      const { messages } = await state.conversations.getConversation({ threadId: "read-me" }, ada);
      expect(messages.map((message) => message.parts[0]?.kind.value)).toEqual(["hello", "hi"]);
      expect(
        (await state.conversations.getConversation({ threadId: "read-me" }, eve)).messages,
      ).toEqual([]);
      const first = await state.conversations.listConversations({ pageSize: 1 }, ada);
      expect(first.conversations).toMatchObject([{ threadId: "read-me", messageCount: 2 }]);
      const second = await state.conversations.listConversations(
        { pageToken: first.nextPageToken },
        ada,
      );
      expect(second.conversations.map((each) => each.threadId)).not.toContain("read-me");
    });

    test("a key is found by its secret's hash until it is revoked", async () => {
      const revoked: string[] = [];
      await state.bus.subscribe("warmpath.keys.>", (payload) =>
        revoked.push(new TextDecoder().decode(payload)),
      );
      const { key, secret } = await state.keys.createKey({ user: "ada\0", label: "test" }, ada);
      expect(secret).toMatch(/^wp_[A-Za-z0-9_-]{43}$/);
      const found = await state.keys.lookUpKey({ secretHash: hashSecret(secret) }, self);
      expect(found.key).toMatchObject({ keyId: key?.keyId ?? "?", tenant: "acme", user: "ada\0" });
      expect(await reasonOf(state.keys.lookUpKey({ secretHash: hashSecret(secret) }, ada))).toBe(
        "rejected-permission",
      );
      const keyId = key?.keyId ?? "";
      expect(await reasonOf(state.keys.revokeKey({ keyId }, eve))).toBe("rejected-not-found");
      await state.keys.revokeKey({ keyId }, ada);
      await Bun.sleep(1);
      expect(revoked).toEqual([keyId]);
      expect(await reasonOf(state.keys.lookUpKey({ secretHash: hashSecret(secret) }, self))).toBe(
        "rejected-not-found",
      );
      const dev = newSecret();
      const devId = await ensureKey(db.store, dev, "default", "developer");
      expect(await ensureKey(db.store, dev, "default", "developer")).toBe(devId);
      expect((await state.keys.lookUpKey({ secretHash: hashSecret(dev) }, self)).key?.tenant).toBe(
        "default",
      );
    });

    test("knowledge is found by words, by vectors, and only by those who may see it", async () => {
      const passage = (title: string, text: string, embedding: number[] = []) => ({
        title,
        text,
        embedding,
        embeddingModel: embedding.length > 0 ? "tiny" : "",
      });
      await state.knowledge.putSource(
        {
          source: "docs/leases.md",
          passages: [
            passage("Leases", "A lease is fenced by its epoch.\0", [1, 0, 0]),
            passage("Colours", "Red and green.", [0, 1, 0]),
          ],
          shared: true,
        },
        self,
      );
      const ask = { query: "How are the leases fenced?" };
      const { matches } = await state.knowledge.search(ask, ada);
      expect(matches[0]).toMatchObject({
        source: "docs/leases.md",
        text: "A lease is fenced by its epoch.\0",
      });
      const near = await state.knowledge.search(
        { query: "xyzzy", embedding: [0.1, 1, 0], embeddingModel: "tiny" },
        ada,
      );
      expect(near.matches[0]?.title).toBe("Colours");
      const otherSize = { query: "xyzzy", embedding: [1, 0], embeddingModel: "tiny" };
      expect((await state.knowledge.search(otherSize, ada)).matches).toEqual([]);
      await state.knowledge.putSource(
        { source: "own", passages: [passage("", "lease of a flat")] },
        eve,
      );
      expect((await state.knowledge.search({ query: "flat" }, ada)).matches).toEqual([]);
      const shared = { source: "x", passages: [], shared: true };
      expect(await reasonOf(state.knowledge.putSource(shared, ada))).toBe("rejected-permission");
      expect(await reasonOf(state.knowledge.listSources({ shared: true }, ada))).toBe(
        "rejected-permission",
      );
      expect((await state.knowledge.listSources({}, eve)).sources).toEqual(["own"]);
      expect((await state.knowledge.listSources({ after: "own" }, eve)).sources).toEqual([]);
      await state.knowledge.putSource(
        { source: "docs/leases.md", passages: [], shared: true },
        self,
      );
      expect((await state.knowledge.search(ask, ada)).matches).toEqual([]);
    });

    test("tasks that an earlier process left are dispatched at the start", async () => {
      const taskId = await submit("left behind");
      const claim = await state.taskLog.claim({ tenant: "acme", taskId }, "dead worker");
      expect(claim?.lease.epoch).toBe(1n);
      const reborn = serve(db);
      await reborn.server.start({ isQueueEmpty: true, isOnlyProcess: true });
      try {
        for (;;) {
          const dispatch = await reborn.taskLog.next(["standard"], AbortSignal.timeout(2000));
          dispatch.ack();
          if (dispatch.ref.taskId === taskId) {
            break;
          }
        }
        const again = await reborn.taskLog.claim({ tenant: "acme", taskId }, "worker");
        expect(again?.lease.epoch).toBe(2n);
      } finally {
        await reborn.server.stop();
      }
    });

    test("readiness names everything that state stands on", async () => {
      const { ready, checks } = await state.health.ready();
      expect(ready).toBe(true);
      expect(checks.map((check) => check.name)).toEqual(["database", "hot-store", "queue", "bus"]);
      // The record is the database: without the others all pods of state go on alike.
      expect(checks.filter(({ optional }) => !optional).map(({ name }) => name)).toEqual([
        "database",
      ]);
    });
  });
}
