import type { Task } from "@warmpath/proto/common";
import { Lane } from "@warmpath/proto/common";
import type { Agent } from "@warmpath/proto/gateway";
import { newId } from "@warmpath/runtime/base";
import { createGatewayClient, type GatewayClient, isKeyRefused, sentenceOf } from "./client.ts";
import { follow } from "./follow.ts";
import { loadIsSimulated, loadKey, saveIsSimulated, saveKey } from "./key.ts";
import { emptyRun, isEnded, type RunView, withUpdate } from "./run-view.ts";

/** Everything the page shows. Replaced, never edited. */
export interface ConsoleState {
  readonly key: string;
  readonly keyFault: string;
  readonly agents: readonly Agent[];
  readonly agent: string;
  readonly tasks: readonly Task[];
  readonly threadId: string;
  readonly runs: readonly RunView[];
  readonly isConnected: boolean;
  readonly isSimulated: boolean;
  /** A sentence about the last thing that failed; empty when nothing did. */
  readonly fault: string;
}

/** Runs of a conversation that are replayed when it is opened; earlier ones stay in the list. */
const replayedRunsMax = 20;
const listedTasksMax = 50;
const defaultAgent = "assistant";

/** The page's state and what can be done to it; components only show the one and call the other. */
export class ConsoleStore {
  #state: ConsoleState;
  #client: GatewayClient;
  #following = new AbortController();
  readonly #onChange: (state: ConsoleState) => void;

  constructor(onChange: (state: ConsoleState) => void) {
    const key = loadKey();
    this.#onChange = onChange;
    this.#client = createGatewayClient(key);
    this.#state = {
      key,
      keyFault: "",
      agents: [],
      agent: defaultAgent,
      tasks: [],
      threadId: newId("thread"),
      runs: [],
      isConnected: true,
      isSimulated: loadIsSimulated(),
      fault: "",
    };
  }

  get state(): ConsoleState {
    return this.#state;
  }

  /** Keeps the key and sees whether the gateway accepts it. */
  async useKey(key: string): Promise<void> {
    saveKey(key);
    this.#client = createGatewayClient(key);
    this.#set({ key, keyFault: "" });
    await this.refresh();
  }

  forgetKey(): void {
    this.newConversation();
    saveKey("");
    this.#set({ key: "", agents: [], tasks: [] });
  }

  /** Loads the agents and the past tasks. */
  async refresh(): Promise<void> {
    if (this.#state.key === "") {
      return;
    }
    await this.#attempt(async () => {
      const [{ agents }, { tasks }] = await Promise.all([
        this.#client.listAgents({}),
        this.#client.listTasks({ pageSize: listedTasksMax }),
      ]);
      const isOffered = agents.some(({ name }) => name === this.#state.agent);
      const agent = isOffered ? this.#state.agent : (agents[0]?.name ?? defaultAgent);
      this.#set({ agents, agent, tasks });
    });
  }

  chooseAgent(agent: string): void {
    this.#set({ agent });
  }

  newConversation(): void {
    this.#following.abort();
    this.#following = new AbortController();
    const threadId = newId("thread");
    this.#set({ threadId, runs: [], fault: "", isConnected: true });
  }

  /**
   * Says something: to the run under way, if there is one, else as the next turn of the
   * conversation.
   */
  async send(text: string): Promise<boolean> {
    const open = this.#state.runs.find((run) => !isEnded(run.state));
    return await this.#attempt(async () => {
      const message = { text };
      if (open !== undefined) {
        const idempotencyKey = newId("req");
        const { taskId } = open;
        const answer = await this.#client.sendMessage({ taskId, message, idempotencyKey });
        if (answer.taskId !== taskId) {
          this.#begin(emptyRun({ taskId: answer.taskId, agent: open.agent, prompt: text }));
        }
        return;
      }
      const { agent, threadId } = this.#state;
      const request = { agent, message, threadId, lane: Lane.INTERACTIVE };
      const idempotencyKey = newId("req");
      const { taskId } = await this.#client.submitTask({ ...request, idempotencyKey });
      this.#begin(emptyRun({ taskId, agent, prompt: text }));
      void this.refresh();
    });
  }

  async cancel(taskId: string): Promise<void> {
    await this.#attempt(async () => void (await this.#client.cancelTask({ taskId })));
  }

  /** Shows a past task, with the rest of its conversation, by replaying the record. */
  async open(task: Task): Promise<void> {
    this.newConversation();
    const { signal } = this.#following;
    await this.#attempt(async () => {
      let tasks = [task];
      if (task.threadId !== "") {
        const request = { threadId: task.threadId, pageSize: replayedRunsMax };
        tasks = (await this.#client.listTasks(request)).tasks.reverse();
      }
      if (signal.aborted) {
        return;
      }
      this.#set({ threadId: task.threadId || newId("thread"), agent: task.agent });
      for (const each of tasks) {
        this.#begin(emptyRun(each));
      }
    });
  }

  /** Shows a task by its id alone, such as the child of a delegation. */
  async openById(taskId: string): Promise<void> {
    await this.#attempt(async () => {
      const { task } = await this.#client.getTask({ taskId });
      if (task !== undefined) {
        await this.open(task);
      }
    });
  }

  #begin(run: RunView): void {
    this.#set({ runs: [...this.#state.runs, run], fault: "" });
    const { signal } = this.#following;
    const { taskId } = run;
    const change = (next: (run: RunView) => RunView) => {
      const runs = this.#state.runs.map((each) => (each.taskId === taskId ? next(each) : each));
      this.#set({ runs });
    };
    const following = follow({
      client: this.#client,
      taskId,
      signal,
      onConnection: (isConnected) => this.#set({ isConnected }),
      onUpdate: (response) => {
        change((each) => withUpdate(each, response));
        const { update } = response;
        if (update.case === "event" && update.value.kind.case === "modelAnswered") {
          const isSimulated = update.value.kind.value.simulated;
          saveIsSimulated(isSimulated);
          this.#set({ isSimulated });
        }
      },
    });
    void this.#attempt(async () => {
      await following;
      if (!signal.aborted) {
        await this.refresh();
      }
    });
  }

  /** Runs a deed; a refused key asks for another, any other failure is said in a sentence. */
  async #attempt(deed: () => Promise<void>): Promise<boolean> {
    try {
      await deed();
      return true;
    } catch (thrown) {
      if (isKeyRefused(thrown)) {
        this.#following.abort();
        saveKey("");
        this.#set({ key: "", keyFault: "The gateway does not accept this key." });
      } else {
        this.#set({ fault: sentenceOf(thrown) });
      }
      return false;
    }
  }

  #set(change: Partial<ConsoleState>): void {
    this.#state = { ...this.#state, ...change };
    this.#onChange(this.#state);
  }
}
