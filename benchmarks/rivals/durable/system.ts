/** The model that every step asks: a local HTTP server that answers at once. */
export interface Model {
  readonly url: string;
  readonly name: string;
}

/** How one task ended. */
export interface TaskEnd {
  readonly answer: string;
  /** Model answers recorded for it. */
  readonly steps: number;
}

/** Something that runs a task durably. */
export interface DurableSystem {
  readonly name: string;
  readonly what: string;
  /** Starts it afresh, with storage of its own. */
  start(model: Model): Promise<StartedSystem>;
}

/** A system that takes tasks. */
export interface StartedSystem {
  /** Submits a task and waits for its end; rejects when it failed. */
  run(question: string): Promise<TaskEnd>;
  /** Its PostgreSQL, where it has one: settings and counters are read there. */
  readonly postgresUrl?: string;
  stop(): Promise<void>;
}

/** A system that can run, or why it cannot. */
export type FoundSystem = { readonly system: DurableSystem } | { readonly absent: string };
