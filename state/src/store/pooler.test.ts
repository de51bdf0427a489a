/**
 * Goal: the record bears a pooler in transaction mode, told what mesh/stores/README.md says. Method:
 * a real PgBouncer before a real PostgreSQL, two connections of the server for sixteen of ours, so
 * that the statements of one client meet different sessions.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { silentLogger, WarmpathError } from "@warmpath/runtime/base";
import { createLogFixture, plainEvent, started } from "../testing/log-fixture.ts";
import { findPgbouncer, startPgbouncer, type TestPooler } from "../testing/pgbouncer.ts";
import { openMsMax, openTestStore, type TestStore, testStoreKinds } from "../testing/test-store.ts";
import { openStore, type Store } from "./store.ts";

const program = findPgbouncer();
const noServer = testStoreKinds().find(({ name }) => name === "PostgreSQL")?.skip;
const skip = noServer ?? (program === undefined ? "there is no pgbouncer on PATH" : undefined);
const note = skip === undefined ? "" : ` (skipped: ${skip})`;

describe.skipIf(skip !== undefined)(`a pooler in transaction mode${note}`, () => {
  let db: TestStore;
  let pooler: TestPooler;
  let stores: readonly Store[];

  const open = (databaseUrl: string, migrate: boolean) =>
    openStore({ databaseUrl, poolSize: 4, migrate, log: silentLogger });

  beforeAll(async () => {
    db = await openTestStore("PostgreSQL");
    // Begun again, so that the migrations go through the pooler too.
    await db.store.write.query("drop schema public cascade");
    await db.store.write.query("create schema public");
    await db.store.write.query("drop extension if exists vector");
    pooler = await startPgbouncer(program ?? "", db.databaseUrl, { serverConnections: 2 });
    // Four starters at once: migrations lock a table, not a session.
    stores = await Promise.all([1, 2, 3, 4].map(() => open(pooler.url, true)));
  }, openMsMax);
  afterAll(async () => {
    await Promise.all((stores ?? []).map((store) => store.close()));
    await pooler?.close();
    await db?.close();
  });

  test("runs of many workers are appended, read and handed over, each event once", async () => {
    const fixtures = await Promise.all(stores.map((store) => createLogFixture(store)));
    const runs = fixtures.flatMap((fixture, at) =>
      Array.from({ length: 8 }, async () => {
        const ref = await fixture.submit();
        const first = await fixture.log.claim(ref, `worker-${at}`);
        if (first === undefined) throw new Error("not claimed");
        await fixture.log.append(first.lease, 1n, { events: [started()] });
        await fixture.log.release(first.lease);
        // The next worker is behind another pool.
        const next = fixtures[(at + 1) % fixtures.length] ?? fixture;
        const second = await next.log.claim(ref, `worker-${at + 1}`);
        if (second === undefined) throw new Error("not handed over");
        await next.log.append(second.lease, 2n, { events: [plainEvent("completed")] });
        const stale = fixture.log.append(first.lease, 3n, { events: [started()] });
        return stale.then(() => "accepted" as const, WarmpathError.from);
      }),
    );
    const refusals = await Promise.all(runs);
    expect(new Set(refusals.map((each) => (each === "accepted" ? each : each.reason)))).toEqual(
      new Set(["evicted-lease-lost"]),
    );
  });

  test("not told to pass over statement_timeout, it refuses the connection: so README.md says", async () => {
    const strict = await startPgbouncer(program ?? "", db.databaseUrl, {
      serverConnections: 1,
      ignores: "extra_float_digits",
    });
    const refused = await open(strict.url, false).then(() => undefined, WarmpathError.from);
    expect(String(refused?.cause ?? refused)).toContain("statement_timeout");
    await strict.close();
  });
});
