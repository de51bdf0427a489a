import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { createManualClock } from "@warmpath/runtime/testing";
import pg from "pg";
import { copyTestCluster, openMsMax } from "../testing/test-store.ts";
import { frame } from "./backend-messages.ts";
import { type ServeSocketOptions, type SocketServer, serveSocket } from "./serve-socket.ts";
import {
  bind,
  execute,
  flush,
  parse,
  query,
  RawClient,
  startup,
  sync,
} from "./testing/raw-client.ts";

/** Goal: many clients on the one session never see of each other what PostgreSQL would not show. */
describe("the embedded database's socket", () => {
  let dataDir: string;
  /** The directory of one server's socket, and the socket. */
  let dir: string;
  let path: string;
  let db: PGlite;
  let server: SocketServer;
  const clients: RawClient[] = [];

  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), "warmpath-socket-test-"));
    await copyTestCluster(dataDir);
    db = await PGlite.create(join(dataDir, "pglite"));
    await db.exec("create table counters (name text primary key, value integer not null)");
  }, openMsMax);
  afterAll(async () => {
    await db.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) {
      client.socket.destroy();
    }
    await server.close();
  });

  async function serve(given: Partial<ServeSocketOptions> = {}): Promise<void> {
    dir = mkdtempSync(join(dataDir, "run-"));
    path = join(dir, ".s.PGSQL.5432");
    server = await serveSocket({
      db,
      path,
      connectionsMax: 16,
      onFault(error) {
        throw error;
      },
      ...given,
    });
  }
  async function started(): Promise<RawClient> {
    const client = await RawClient.start(path);
    clients.push(client);
    return client;
  }
  const opened = async (): Promise<RawClient> => {
    const client = await RawClient.open(path);
    clients.push(client);
    return client;
  };
  const rowsOf = (words: string[]) => words.filter((word) => word.startsWith("D:"));
  const countersNamed = async (client: RawClient, name: string) =>
    rowsOf(await client.ask(query(`select value from counters where name = '${name}'`)));

  test("keeps a whole query of another client out of a batch that has only begun", async () => {
    await serve();
    const [a, b] = [await started(), await started()];
    await a.send(parse("select 'of a: ' || $1"));
    const other = await b.ask(parse("select 'of b: ' || $1"), bind("2"), execute, sync);
    expect(rowsOf(other)).toEqual(["D:of b: 2"]);
    expect(rowsOf(await a.ask(bind("1"), execute, sync))).toEqual(["D:of a: 1"]);
  });

  test("keeps it out, and waiting, once the batch was flushed", async () => {
    await serve();
    const [a, b] = [await started(), await started()];
    await a.send(parse("select 'of a: ' || $1"), flush);
    await a.until("1");
    const other = b.ask(parse("select 'of b: ' || $1"), bind("2"), execute, sync);
    expect(rowsOf(await a.ask(bind("1"), execute, sync))).toEqual(["D:of a: 1"]);
    expect(rowsOf(await other)).toEqual(["D:of b: 2"]);
  });

  test("keeps others out of a batch whose error was told, until its Sync", async () => {
    await serve();
    const [a, b] = [await started(), await started()];
    await a.send(parse("selec"), flush);
    expect((await a.until("E")).at(-1)).toBe("E:42601");
    const other = b.ask(query("select 2"));
    expect(await a.ask(bind("1"), execute, sync)).toEqual(["Z:I"]);
    expect(rowsOf(await other)).toEqual(["D:2"]);
  });

  test("gives many pools right rows, and whole transactions", async () => {
    await serve();
    const pools = Array.from({ length: 4 }, () => new pg.Pool({ host: dir, user: "test", max: 3 }));
    for (const pool of pools) {
      // A pool has ended before its connections have, and those hear of the server's closing.
      pool.on("error", () => undefined);
    }
    await pools[0]?.query("insert into counters values ('stress', 0)");
    const rounds = 25;
    const read = async (pool: pg.Pool, index: number) => {
      for (let round = 0; round < rounds; round++) {
        // The same shape everywhere, so that a mixed-up statement would go unnoticed otherwise.
        const text = `select 'pool ${index}' as pool, $1::int as round`;
        const { rows } = await pool.query(text, [round]);
        expect(rows).toEqual([{ pool: `pool ${index}`, round }]);
      }
    };
    const increment = async (pool: pg.Pool) => {
      for (let round = 0; round < rounds; round++) {
        const client = await pool.connect();
        await client.query("begin");
        // Read, then written: lost if anybody else came in between.
        const { rows } = await client.query("select value from counters where name = $1", [
          "stress",
        ]);
        await client.query("update counters set value = $1 where name = $2", [
          rows[0].value + 1,
          "stress",
        ]);
        await client.query("commit");
        client.release();
      }
    };
    await Promise.all(
      pools.flatMap((pool, index) => [read(pool, index), read(pool, index), increment(pool)]),
    );
    const { rows } = await (pools[0] as pg.Pool).query(
      "select value from counters where name = $1",
      ["stress"],
    );
    expect(rows).toEqual([{ value: pools.length * rounds }]);
    await Promise.all(pools.map((pool) => pool.end()));
  });

  test("rolls back a client that is killed inside a transaction", async () => {
    await serve();
    const [a, b] = [await started(), await started()];
    await a.ask(query("begin"));
    await a.ask(query("insert into counters values ('killed', 1)"));
    const other = countersNamed(b, "killed");
    await a.kill();
    expect(await other).toEqual([]);
  });

  test("finishes the batch of a client that is killed inside one", async () => {
    await serve();
    const [a, b] = [await started(), await started()];
    await a.send(
      parse("insert into counters values ('half', $1::text::int)"),
      bind("1"),
      execute,
      flush,
    );
    await a.until("C");
    const other = b.ask(query("select 2"));
    await a.kill();
    expect(rowsOf(await other)).toEqual(["D:2"]);
  });

  test("forgets half a message of a client that closes", async () => {
    await serve();
    const [a, b] = [await started(), await started()];
    const message = query("insert into counters values ('cut', 1)");
    await a.send(message.subarray(0, message.length - 1));
    await a.kill();
    expect(await countersNamed(b, "cut")).toEqual([]);
  });

  test("refuses a message that is too long, tells why, and serves the others", async () => {
    await serve({ messageBytesMax: 100_000 });
    const [a, b] = [await started(), await started()];
    await a.ask(query("begin"));
    void a.send(query(`select '${"x".repeat(1_000_000)}'`));
    expect(await a.until("Z")).toEqual(["E:54000", "closed"]);
    expect(rowsOf(await b.ask(query("select 2")))).toEqual(["D:2"]);
  });

  test("takes a blob of megabytes and gives it back", async () => {
    await serve();
    const client = new pg.Client({ host: dir, user: "test" });
    await client.connect();
    const blob = Buffer.alloc(3_000_000, "0123456789");
    const { rows } = await client.query("select $1::bytea as blob", [blob]);
    expect(blob.equals(rows[0].blob)).toBe(true);
    await client.end();
  });

  test("sends away a client that falls silent inside a transaction", async () => {
    const clock = createManualClock();
    await serve({ clock, silentMsMax: 30_000 });
    const [a, b] = [await started(), await started()];
    await a.ask(query("begin"));
    await a.ask(query("insert into counters values ('silent', 1)"));
    const other = countersNamed(b, "silent");
    await clock.advance(30_000);
    expect(await a.until("Z")).toEqual(["E:25P03", "closed"]);
    expect(await other).toEqual([]);
  });

  test("refuses one client too many as PostgreSQL does, until another leaves", async () => {
    await serve({ connectionsMax: 2 });
    const a = await started();
    await started();
    const refused = new pg.Client({ host: dir, user: "test" });
    // The connection's end is told twice.
    refused.on("error", () => undefined);
    expect(await refused.connect().catch((error) => error.code)).toBe("53300");
    a.socket.end(frame("X", ""));
    await a.closed;
    const next = await started();
    expect(rowsOf(await next.ask(query("select 2")))).toEqual(["D:2"]);
  });

  test("refuses encryption, and goes on without", async () => {
    await serve();
    const client = await opened();
    const answer = new Promise<string>((resolve) =>
      client.socket.prependOnceListener("data", (chunk) => resolve(chunk.toString("latin1"))),
    );
    await client.send(Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]));
    expect(await answer).toBe("N");
    const secure = new pg.Client({ host: dir, user: "test", ssl: true });
    secure.on("error", () => undefined);
    expect(await secure.connect().catch((error) => error.message)).toContain(
      "does not support SSL",
    );
  });

  test("closes on a CancelRequest without an answer", async () => {
    await serve();
    const client = await opened();
    await client.send(Buffer.from([0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e, 0, 0, 0, 0, 0, 0, 0, 0]));
    expect(await client.until("Z")).toEqual(["closed"]);
  });

  const broken: Record<string, Buffer> = {
    "a type that does not exist": Buffer.concat([startup, frame("z", "")]),
    "a Describe longer than any name": Buffer.concat([startup, frame("D", "x".repeat(20_000))]),
    "another protocol": Buffer.from([0, 0, 0, 8, 0, 2, 0, 0]),
    "bytes that mean nothing": Buffer.alloc(64, "GET / HTTP/1.1\r\n"),
  };
  for (const [name, bytes] of Object.entries(broken)) {
    test(`outlives a client that sends ${name}`, async () => {
      await serve();
      const [a, b] = [await opened(), await started()];
      await a.send(bytes);
      expect((await a.until("E")).at(-1)).toMatch(/^E:(08P01|0A000)$/);
      expect(await a.until("Z")).toEqual(["closed"]);
      expect(rowsOf(await b.ask(query("select 2")))).toEqual(["D:2"]);
    });
  }

  test("runs no more for a client that does not read its answers, and all when it does", async () => {
    await serve();
    const [a, b] = [await started(), await started()];
    await b.ask(query("create sequence answered"));
    a.socket.pause();
    const count = 20;
    await a.send(
      ...Array.from({ length: count }, () =>
        query("select nextval('answered'), repeat('x', 500000)"),
      ),
    );
    for (let turn = 0; turn < count; turn++) {
      await b.ask(query("select 1"));
    }
    // What fits into the socket's own buffers may have left.
    const [ran] = rowsOf(await b.ask(query("select last_value < 5 from answered")));
    expect(ran).toBe("D:t");
    a.socket.resume();
    for (let index = 1; index <= count; index++) {
      expect(rowsOf(await a.until("Z"))[0]).toStartWith(`D:${index},`);
    }
  });

  test("notices the end of a client that does not read", async () => {
    await serve({ connectionsMax: 2 });
    const [a, b] = [await started(), await started()];
    a.socket.pause();
    await a.send(query("begin"), query("select repeat('x', 5000000)"), query("select 1"));
    const other = b.ask(query("select 2"));
    await a.kill();
    expect(rowsOf(await other)).toEqual(["D:2"]);
    const next = await started();
    expect(rowsOf(await next.ask(query("select 3")))).toEqual(["D:3"]);
  });

  test("ends with what is open rolled back", async () => {
    await serve();
    const a = await started();
    await a.ask(query("begin"));
    await a.ask(query("insert into counters values ('closing', 1)"));
    await server.close();
    expect(await a.until("Z")).toEqual(["E:57P01", "closed"]);
    expect((await db.query("select * from counters where name = 'closing'")).rows).toEqual([]);
  });

  test("tells of a fault of the database", async () => {
    const fault = Promise.withResolvers<unknown>();
    const unreachable = new Error("unreachable");
    let calls = 0;
    await serve({
      db: {
        runExclusive: (work) => work(),
        async execProtocolRawStream(_, { onRawData }) {
          calls++;
          if (calls > 1) {
            throw unreachable;
          }
          onRawData(frame("Z", "I"));
        },
      },
      onFault: fault.resolve,
    });
    const a = await started();
    await a.send(query("select 1"));
    expect(await fault.promise).toBe(unreachable);
  });
});
