import type { Clock } from "@warmpath/runtime/base";
import { frame, type ReadyStatus, readyStatusOf } from "./backend-messages.ts";
import type { Batch } from "./batches.ts";
import { SilenceWatch } from "./silence-watch.ts";

/** A connection, to the queue. */
export interface SessionUser {
  /** It held the session and sent nothing for too long. The session is no longer its own. */
  onSilent(): void;
}

/** What the queue needs. */
export interface SessionQueueOptions {
  /** Runs messages in the one session; resolves with the bytes answered. */
  readonly execute: (messages: Buffer) => Promise<Buffer>;
  readonly clock: Clock;
  /** Longest silence of a user that holds the session, in ms. */
  readonly silentMsMax: number;
  /** The database broke; nothing will be run any more. */
  readonly onFault: (error: unknown) => void;
}

interface Turn {
  readonly user: SessionUser;
  readonly batch: Batch;
  readonly resolve: (answer: Buffer | undefined) => void;
}

/** One user's claim on the session, from a batch of its own until ReadyForQuery says idle. */
interface Hold {
  readonly user: SessionUser;
  /** Undefined inside a half batch, such as after Flush. */
  status: ReadyStatus | undefined;
  hasLeft: boolean;
}

/**
 * Lends the one session of an embedded database to its connections, a batch at a time, in order of
 * arrival. Whoever is inside a transaction or a half batch keeps it, so that nobody else's messages
 * come in between: a Parse of one connection would replace the unnamed statement that another is
 * about to bind.
 *
 * What a session keeps beyond a transaction is still everybody's: settings, temporary tables,
 * advisory locks, named statements. It is not discarded with a connection either, since others may
 * rely on theirs. And a client must bind its unnamed statement in the batch that parses it.
 */
export class SessionQueue {
  readonly #options: SessionQueueOptions;
  /** At most one of each user, so that order of arrival is fair. */
  readonly #turns: Turn[] = [];
  #hold: Hold | undefined;
  readonly #silence: SilenceWatch;
  #isRunning = false;
  #lastRun: Promise<void> = Promise.resolve();

  constructor(options: SessionQueueOptions) {
    this.#options = options;
    this.#silence = new SilenceWatch(options.clock, options.silentMsMax, () => this.#onSilent());
  }

  /**
   * Runs one batch when its turn comes, and resolves with the answer; undefined when the user left
   * first. A user asks for its next turn only after this one.
   */
  run(user: SessionUser, batch: Batch): Promise<Buffer | undefined> {
    const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
    if (this.#hold?.user === user) {
      this.#silence.end();
    }
    this.#turns.push({ user, batch, resolve });
    this.#start();
    return promise;
  }

  /** Ends all that the user has here: turns not begun are dropped, a transaction is rolled back. */
  leave(user: SessionUser): void {
    const index = this.#turns.findIndex((turn) => turn.user === user);
    if (index !== -1) {
      this.#turns.splice(index, 1)[0]?.resolve(undefined);
    }
    if (this.#hold?.user === user) {
      this.#silence.end();
      this.#hold.hasLeft = true;
      this.#start();
    }
  }

  /** Resolves when nothing runs; call it after everybody left. */
  async close(): Promise<void> {
    this.#silence.close();
    await this.#lastRun;
  }

  #start(): void {
    if (!this.#isRunning) {
      this.#isRunning = true;
      this.#lastRun = this.#runAll();
    }
  }

  async #runAll(): Promise<void> {
    try {
      for (;;) {
        if (this.#hold?.hasLeft === true) {
          await this.#cleanUp(this.#hold);
          this.#hold = undefined;
        }
        const turn = this.#takeTurn();
        if (turn === undefined) {
          break;
        }
        await this.#runTurn(turn);
      }
    } catch (error) {
      // Still "running": what is broken must not be used again.
      this.#options.onFault(error);
      return;
    }
    this.#isRunning = false;
  }

  #takeTurn(): Turn | undefined {
    const hold = this.#hold;
    if (hold === undefined) {
      return this.#turns.shift();
    }
    const index = this.#turns.findIndex((turn) => turn.user === hold.user);
    return index === -1 ? undefined : this.#turns.splice(index, 1)[0];
  }

  async #runTurn({ user, batch, resolve }: Turn): Promise<void> {
    const isInHalfBatch = this.#hold !== undefined && this.#hold.status === undefined;
    const hold: Hold = this.#hold ?? { user, status: undefined, hasLeft: false };
    this.#hold = hold;
    const answer = await this.#options.execute(batch.bytes);
    hold.status = "QFS".includes(batch.lastType) ? readyStatusOf(answer) : undefined;
    if (hold.status === undefined && mustEndReady(batch, isInHalfBatch)) {
      // PGlite swallows a trap of the WASM module; the missing answer is what gives it away.
      throw new Error("the database did not become ready after a batch");
    }
    if (hold.status === "I") {
      this.#hold = undefined;
    } else if (!hold.hasLeft) {
      this.#silence.begin();
    }
    resolve(answer);
  }

  /** Brings the session to rest after a user that left in the middle; nobody reads the answers. */
  async #cleanUp(hold: Hold): Promise<void> {
    let status = hold.status;
    status ??= readyStatusOf(await this.#options.execute(frame("S", "")));
    if (status !== "I") {
      status = readyStatusOf(await this.#options.execute(frame("Q", "rollback\0")));
    }
    if (status !== "I") {
      throw new Error("the database could not roll back");
    }
  }

  #onSilent(): void {
    const user = this.#hold?.user;
    if (user !== undefined) {
      this.leave(user);
      user.onSilent();
    }
  }
}

/**
 * Whether PostgreSQL answers the batch with ReadyForQuery whatever happens: a Sync always, a query
 * unless an error before it, in the same half batch, makes it skip everything until a Sync.
 */
function mustEndReady(batch: Batch, isInHalfBatch: boolean): boolean {
  const isQuery = batch.lastType === "Q" || batch.lastType === "F";
  return batch.lastType === "S" || (isQuery && batch.messages === 1 && !isInHalfBatch);
}
