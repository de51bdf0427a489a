import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { silentLogger, systemClock, WarmpathError } from "@warmpath/runtime/base";
import { createLogFixture, plainEvent, started } from "../testing/log-fixture.ts";
import { openMsMax, openTestStore, type TestStore, testStoreKinds } from "../testing/test-store.ts";
import { migrate, readMigrations } from "./migrate.ts";
import { openStore } from "./store.ts";

const errorOf = (work: Promise<unknown>) => work.then(() => undefined, WarmpathError.from);

for (const { name, skip } of testStoreKinds()) {
  const note = skip === undefined ? "" : ` (skipped: ${skip})`;
  describe.skipIf(skip !== undefined)(`store on ${name}${note}`, () => {
    let db: TestStore;
    const open = (migrateIt: boolean) =>
      openStore({
        databaseUrl: db.databaseUrl,
        poolSize: 4,
        migrate: migrateIt,
        log: silentLogger,
      });

    beforeAll(async () => {
      db = await openTestStore(name);
    }, openMsMax);
    afterAll(() => db?.close());

    test("a schema that is there is opened again, by those who may not migrate too", async () => {
      const again = await open(true);
      const reader = await open(false);
      expect(reader.isEmbedded).toBe(name === "PGlite");
      expect(reader.hasVectors).toBe(true);
      await Promise.all([again.close(), reader.close()]);
    });

    test("concurrent first starters each find the whole schema", async () => {
      await db.store.write.query("drop schema public cascade");
      await db.store.write.query("create schema public");
      await db.store.write.query("drop extension if exists vector");
      const refused = await errorOf(open(false));
      expect(refused?.reason).toBe("rejected-precondition");
      expect(refused?.message).toContain("lacks 0001_tasks");
      const stores = await Promise.all([open(true), open(true), open(true)]);
      const rows = await db.store.write.query("select version from schema_migrations");
      expect(rows).toHaveLength(readMigrations().length);
      await Promise.all(stores.map((store) => store.close()));
    });

    test("a migration that was changed after it was applied is refused", async () => {
      const changed = readMigrations().map((each) =>
        each.version === 1 ? { ...each, checksum: "other" } : each,
      );
      const refused = await errorOf(migrate(db.store.write, changed, silentLogger));
      expect(refused?.reason).toBe("rejected-migration");
      expect(refused?.message).toContain("0001_tasks");
    });

    test("a newer schema is fine for older code", async () => {
      await db.store.write.query(
        "insert into schema_migrations (version, name, checksum) values (9999, 'later', 'x')",
      );
      await (await open(false)).close();
    });

    test("times come as milliseconds and big numbers exactly", async () => {
      const [row] = await db.store.write.query<{ at: number; big: bigint; bytes: Uint8Array }>(
        "select timestamptz '2026-01-02 03:04:05.678+05:30' as at, 9007199254740993::bigint as big, $1::bytea as bytes",
        [new Uint8Array([0, 255])],
      );
      expect(row?.at).toBe(Date.UTC(2026, 0, 1, 21, 34, 5, 678));
      expect(row?.big).toBe(9007199254740993n);
      expect([...(row?.bytes ?? [])]).toEqual([0, 255]);
    });

    test("a failed transaction leaves nothing and its connection goes on", async () => {
      const failed = db.store.write.transaction(async (tx) => {
        await tx.query("insert into blobs (tenant, hash, payload) values ('t', '', '')");
        await tx.query("select 1 / 0");
      });
      expect((await errorOf(failed))?.reason).toBe("failed-internal");
      expect(await db.store.write.query("select 1 from blobs where tenant = 't'")).toEqual([]);
    });
  });
}

const serverUrl = process.env["WARMPATH_TEST_POSTGRES_URL"];

describe.skipIf(serverUrl === undefined)("store on PostgreSQL that misbehaves", () => {
  let db: TestStore;
  beforeAll(async () => {
    db = await openTestStore("PostgreSQL");
  }, openMsMax);
  afterAll(() => db?.close());

  test(
    "an append is recorded once, whatever becomes of its connections",
    async () => {
      const fixture = await createLogFixture(db.store, {
        groupsInFlightMax: 3,
        groupAppendsMax: 4,
      });
      const killer = await openStore({
        databaseUrl: db.databaseUrl,
        poolSize: 1,
        migrate: false,
        log: silentLogger,
      });
      const claims = await Promise.all(
        Array.from({ length: 24 }, async () => fixture.log.claim(await fixture.submit(), "worker")),
      );
      let isDone = false;
      const killing = (async () => {
        while (!isDone) {
          await killer.write.query(
            `select pg_terminate_backend(pid) from pg_stat_activity
           where datname = current_database() and pid <> pg_backend_pid()`,
          );
          await systemClock.sleep(15);
        }
      })();
      const runs = claims.map(async (claim) => {
        let seq = claim?.task.lastSeq ?? 0n;
        for (let step = 0; step < 10 && claim !== undefined; step++) {
          const ended = step === 9 ? { state: "COMPLETED" as const } : {};
          const events = [step === 9 ? plainEvent("completed") : started()];
          const fault = await errorOf(fixture.log.append(claim.lease, seq, { events, ...ended }));
          if (fault !== undefined) {
            return { taskId: claim.task.taskId, seq, reason: fault.reason };
          }
          seq++;
        }
        return { taskId: claim?.task.taskId ?? "", seq, reason: undefined };
      });
      const outcomes = await Promise.all(runs);
      isDone = true;
      await killing;
      for (const { taskId, seq, reason } of outcomes) {
        const rows = await killer.write.query<{ seq: bigint }>(
          "select seq from events where task_id = $1 order by seq",
          [taskId],
        );
        const recorded = BigInt(rows.length);
        expect(rows.map((row) => row.seq)).toEqual(rows.map((_, index) => BigInt(index + 1)));
        // An outage longer than the tries is told, and then the append may or may not be there.
        expect([undefined, "failed-store", "rejected-unavailable"]).toContain(reason);
        expect(recorded === seq || (reason !== undefined && recorded === seq + 1n)).toBe(true);
      }
      await killer.close();
    },
    openMsMax,
  );

  test("a statement that takes too long is ended, and the pool goes on", async () => {
    const slow = await openStore({
      databaseUrl: db.databaseUrl,
      poolSize: 1,
      migrate: false,
      log: silentLogger,
      statementMsMax: 100,
    });
    expect((await errorOf(slow.write.query("select pg_sleep(5)")))?.code).toBe("unavailable");
    await slow.ready();
    await slow.close();
  });
});

test(
  "with the database gone every call is refused as unavailable, with a time to retry",
  async () => {
    const db = await openTestStore("PGlite");
    const fixture = await createLogFixture(db.store);
    const ref = await fixture.submit();
    const claim = await fixture.log.claim(ref, "worker");
    process.kill(db.pglite?.pid ?? 0, "SIGKILL");
    await db.pglite?.ended;
    const calls = [
      fixture.submit(),
      fixture.log.claim(ref, "worker"),
      fixture.log.inputs(ref),
      claim === undefined
        ? Promise.resolve()
        : fixture.log.append(claim.lease, claim.task.lastSeq, { events: [started()] }),
    ];
    for (const fault of await Promise.all(calls.map(errorOf))) {
      expect(fault?.code).toBe("unavailable");
      expect(fault?.retryAfterMs).toBeGreaterThan(0);
    }
    await db.close();
  },
  openMsMax,
);
