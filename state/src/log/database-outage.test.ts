/**
 * Goal: a database that goes away for a moment costs time, not work. Method: real PostgreSQL behind
 * a forwarder that breaks connections, refuses them, or loses the answer to a commit.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { silentLogger, WarmpathError } from "@warmpath/runtime/base";
import { openStore, type Store } from "../store/store.ts";
import { type Forwarder, startForwarder } from "../testing/forwarder.ts";
import { createLogFixture, type LogFixture, plainEvent, started } from "../testing/log-fixture.ts";
import { openMsMax, openTestStore, type TestStore, testStoreKinds } from "../testing/test-store.ts";
import type { Claim } from "./types.ts";

const skip = testStoreKinds().find(({ name }) => name === "PostgreSQL")?.skip;

describe.skipIf(skip !== undefined)("a database that goes away and comes back", () => {
  let db: TestStore;
  let forwarder: Forwarder;
  let store: Store;
  let fixture: LogFixture;

  beforeAll(async () => {
    db = await openTestStore("PostgreSQL");
    forwarder = await startForwarder(db.databaseUrl);
    const databaseUrl = forwarder.url;
    store = await openStore({ databaseUrl, poolSize: 2, migrate: false, log: silentLogger });
    fixture = await createLogFixture(store);
  }, openMsMax);
  afterAll(async () => {
    await fixture?.pump.idle();
    await store?.close();
    await forwarder?.close();
    await db?.close();
  });

  async function claimNew(): Promise<Claim> {
    const claim = await fixture.log.claim(await fixture.submit(), "worker-a");
    if (claim === undefined) {
      throw new Error("the claim was refused");
    }
    return claim;
  }

  async function kinds(claim: Claim): Promise<string[]> {
    const rows = await db.store.write.query<{ kind: string }>(
      "select kind from events where task_id = $1 order by seq",
      [claim.task.taskId],
    );
    return rows.map(({ kind }) => kind);
  }

  test("an append waits for it as long as its lease lasts", async () => {
    const claim = await claimNew();
    await forwarder.cut();
    const appending = fixture.log.append(claim.lease, 1n, { events: [started()] });
    await Bun.sleep(1_500);
    await forwarder.restore();
    expect(await appending).toBe(2n);
    expect(await kinds(claim)).toEqual(["submitted", "started"]);
  });

  test("an append whose lease ends first is refused, and says when to come back", async () => {
    const claim = await claimNew();
    const lease = { ...claim.lease, expiresMonotonicMs: performance.now() + 600 };
    await forwarder.cut();
    const refusal = await fixture.log
      .append(lease, 1n, { events: [started()] })
      .then(() => undefined, WarmpathError.from);
    await forwarder.restore();
    expect(["failed-store", "rejected-unavailable"]).toContain(refusal?.reason ?? "");
    expect(refusal?.retryAfterMs).toBeGreaterThan(0);
  });

  test.each(["plain", "ending"])(
    "a lost answer to the commit of a(n) %s append is not a lost or doubled append",
    async (what) => {
      const claim = await claimNew();
      const isEnding = what === "ending";
      forwarder.loseAnswerTo(isEnding ? "commit" : "stored_events");
      const appending = fixture.log.append(claim.lease, 1n, {
        events: [isEnding ? plainEvent("failed") : started()],
        ...(isEnding ? { state: "FAILED" as const } : {}),
      });
      expect(await appending).toBe(2n);
      expect(await kinds(claim)).toEqual(["submitted", isEnding ? "failed" : "started"]);
    },
  );

  test("a call meanwhile is refused as unavailable with a time to come back, and works after it", async () => {
    await forwarder.cut();
    const refusal = await fixture.submit().then(() => undefined, WarmpathError.from);
    await forwarder.restore();
    expect(refusal?.code).toBe("unavailable");
    expect(refusal?.retryAfterMs).toBeGreaterThan(0);
    await fixture.submit();
  });

  test("a server that restarts under the pool is survived", async () => {
    const claim = await claimNew();
    await db.store.write.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
    );
    expect(await fixture.log.append(claim.lease, 1n, { events: [started()] })).toBe(2n);
  });
});
