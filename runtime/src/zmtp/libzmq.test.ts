/**
 * Goal: ours and the real libzmq understand each other, each pair in both roles. Skipped, saying
 * why, where python3 cannot have the pyzmq wheel, which carries libzmq.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fetchWheel } from "../../../scripts/test-servers/programs.ts";
import { createDealer, createPublisher, createRouter, createSubscriber } from "./index.ts";

const wheel = "pyzmq==27.1.0";

/**
 * Does what each line of JSON says with sockets of libzmq, and answers with one line. Frames are
 * hexadecimal.
 */
const script = `
import json, sys, zmq
context = zmq.Context()
sockets = {}
print(json.dumps({"libzmq": zmq.zmq_version()}), flush=True)
for line in sys.stdin:
    order = json.loads(line)
    verb, name, answer = order["verb"], order.get("name"), None
    if verb == "open":
        socket = sockets[name] = context.socket(getattr(zmq, order["type"]))
        socket.linger = 0
        for option, value in order.get("options", {}).items():
            socket.setsockopt(getattr(zmq, option), value.encode() if isinstance(value, str) else value)
        if order.get("bind"):
            socket.bind(order["bind"])
            answer = socket.getsockopt_string(zmq.LAST_ENDPOINT)
        else:
            socket.connect(order["connect"])
    elif verb == "send":
        sockets[name].send_multipart([bytes.fromhex(frame) for frame in order["frames"]])
    elif verb == "receive":
        arrived = sockets[name].poll(order["ms"])
        answer = [frame.hex() for frame in sockets[name].recv_multipart()] if arrived else None
    elif verb == "look":
        sockets[name].poll(0)
    elif verb == "close":
        sockets.pop(name).close()
    print(json.dumps({"answer": answer}), flush=True)
`;

interface Peer {
  readonly version: string;
  ask(order: Readonly<Record<string, unknown>>): Promise<unknown>;
  stop(): Promise<void>;
}

const folder = mkdtempSync(join(tmpdir(), "warmpath-libzmq-"));
const open: { close(): unknown }[] = [];
const started = await startPeer();
const peer = "skipped" in started ? undefined : started;
if ("skipped" in started) console.log(`libzmq tests are skipped: ${started.skipped}`);

beforeAll(() => {
  if (peer !== undefined) console.log(`libzmq ${peer.version}`);
});
afterAll(async () => {
  for (const socket of open) await socket.close();
  await peer?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(peer === undefined)("with libzmq", () => {
  for (const transport of ["tcp", "ipc"] as const) {
    for (const weBind of [true, false]) {
      const where = `over ${transport}, ${weBind ? "we bind" : "libzmq binds"}`;
      const place = (name: string, port: string) =>
        transport === "tcp" ? `tcp://127.0.0.1:${port}` : `ipc://${folder}/${name}`;

      test(`its SUB hears our PUB ${where}`, async () => {
        const name = `sub ${where}`;
        const bound = weBind ? undefined : await openPeer(name, "SUB", { bind: place("sub", "*") });
        const subscribers = Promise.withResolvers<void>();
        const publisher = track(
          await createPublisher({
            endpoint: bound ?? place("pub", "0"),
            mode: weBind ? "bind" : "connect",
            onSubscribers: () => subscribers.resolve(),
          }),
        );
        if (weBind) await openPeer(name, "SUB", { connect: publisher.endpoint });
        // A bound SUB of libzmq subscribes when its program next looks at it.
        const stopped = new AbortController();
        const looking = repeat(stopped.signal, () => peer!.ask({ verb: "look", name }));
        await subscribers.promise;
        stopped.abort();
        await looking;
        const large = Buffer.alloc(1_000_000, 7);
        publisher.publish([Buffer.from("other"), Buffer.from("unheard")]);
        publisher.publish([Buffer.from("kv@a"), Buffer.alloc(0), large]);
        expect(await receive(name)).toEqual([hex("kv@a"), "", large.toString("hex")]);
        await close(name);
      });

      test(`our SUB hears its PUB ${where}`, async () => {
        const name = `pub ${where}`;
        const bound = weBind ? undefined : await openPeer(name, "PUB", { bind: place("pub", "*") });
        const heard = Promise.withResolvers<readonly Uint8Array[]>();
        const subscriber = track(
          await createSubscriber({
            endpoint: bound ?? place("sub", "0"),
            mode: weBind ? "bind" : "connect",
            topics: ["kv"],
            onMessage: (frames) => heard.resolve(frames),
          }),
        );
        if (weBind) await openPeer(name, "PUB", { connect: subscriber.endpoint });
        const large = "07".repeat(1_000_000);
        // A publisher cannot say that a subscription has arrived: it repeats itself.
        const stopped = new AbortController();
        const repeating = repeat(stopped.signal, async () => {
          await peer!.ask({ verb: "send", name, frames: [hex("other"), ""] });
          await peer!.ask({ verb: "send", name, frames: [hex("kv@a"), "", large] });
        });
        const frames = await heard.promise;
        stopped.abort();
        await repeating;
        expect(frames.map((frame) => Buffer.from(frame).toString("hex"))).toEqual([
          hex("kv@a"),
          "",
          large,
        ]);
        await close(name);
      });
    }
  }

  test("its DEALER and its REQ ask our ROUTER", async () => {
    const router = track(
      await createRouter({
        endpoint: "tcp://127.0.0.1:0",
        onMessage(from, frames) {
          router.send(from, [...frames, Buffer.from("first")]);
          router.send(from, [...frames, Buffer.from("second")]);
        },
      }),
    );
    await openPeer("dealer", "DEALER", { connect: router.endpoint });
    await peer!.ask({ verb: "send", name: "dealer", frames: ["", hex("q")] });
    expect(await receive("dealer")).toEqual(["", hex("q"), hex("first")]);
    expect(await receive("dealer")).toEqual(["", hex("q"), hex("second")]);
    await openPeer("req", "REQ", { connect: router.endpoint });
    await peer!.ask({ verb: "send", name: "req", frames: [hex("q")] });
    // A REQ takes one answer and drops the rest, which is why a replay needs a DEALER.
    expect(await receive("req")).toEqual([hex("q"), hex("first")]);
    await close("dealer");
    await close("req");
  });

  test("our DEALER asks its ROUTER, under the identity that it chose", async () => {
    const endpoint = await openPeer("router", "ROUTER", { bind: "tcp://127.0.0.1:*" });
    const heard = Promise.withResolvers<readonly Uint8Array[]>();
    const connected = Promise.withResolvers<void>();
    const dealer = track(
      createDealer({
        endpoint,
        identity: Buffer.from("us"),
        onMessage: (frames) => heard.resolve(frames),
        onConnected: () => connected.resolve(),
      }),
    );
    await connected.promise;
    dealer.send([Buffer.alloc(0), Buffer.from("q")]);
    expect(await receive("router")).toEqual([hex("us"), "", hex("q")]);
    const answer = ["", hex("topic"), "07".repeat(70_000)];
    await peer!.ask({ verb: "send", name: "router", frames: [hex("us"), ...answer] });
    const frames = await heard.promise;
    expect(frames.map((frame) => Buffer.from(frame).toString("hex"))).toEqual(answer);
    await close("router");
  });

  test("its heartbeats are answered, and ours by it", async () => {
    const subscribers = Promise.withResolvers<void>();
    const faults: string[] = [];
    const publisher = track(
      await createPublisher({
        endpoint: "tcp://127.0.0.1:0",
        mode: "bind",
        limits: { heartbeatMs: 40 },
        onSubscribers: () => subscribers.resolve(),
        onFault: (fault) => faults.push(fault.message),
      }),
    );
    const options = { HEARTBEAT_IVL: 50, HEARTBEAT_TIMEOUT: 150, HEARTBEAT_TTL: 500 };
    await openPeer("beating", "SUB", { connect: publisher.endpoint, options });
    await subscribers.promise;
    // Nothing is said for many heartbeats of both sides; whoever missed one would hang up.
    await Bun.sleep(600);
    expect(publisher.subscribers).toBe(1);
    expect(faults).toEqual([]);
    publisher.publish([Buffer.from("kv")]);
    expect(await receive("beating")).toEqual([hex("kv")]);
    await close("beating");
  });

  test("a socket type that does not pair is refused on both sides", async () => {
    const refused = Promise.withResolvers<string>();
    const publisher = track(
      await createPublisher({
        endpoint: "tcp://127.0.0.1:0",
        mode: "bind",
        onFault: (fault) => refused.resolve(fault.message),
      }),
    );
    await openPeer("wrong", "PULL", { connect: publisher.endpoint });
    expect(await refused.promise).toBe('a PUB socket talks to SUB or XSUB, not to "PULL"');
    await close("wrong");
  });
});

async function openPeer(
  name: string,
  type: string,
  more: {
    readonly bind?: string;
    readonly connect?: string;
    readonly options?: Readonly<Record<string, number>>;
  },
): Promise<string> {
  const options = { ...(type === "SUB" ? { SUBSCRIBE: "kv" } : {}), ...more.options };
  return String(await peer!.ask({ verb: "open", name, type, ...more, options }));
}

async function receive(name: string): Promise<unknown> {
  return await peer!.ask({ verb: "receive", name, ms: 10_000 });
}

async function close(name: string): Promise<void> {
  await peer!.ask({ verb: "close", name });
}

async function repeat(signal: AbortSignal, action: () => Promise<unknown>): Promise<void> {
  while (!signal.aborted) {
    await action();
    await Bun.sleep(20);
  }
}

async function startPeer(): Promise<Peer | { readonly skipped: string }> {
  const fetched = await fetchWheel(wheel);
  if ("fault" in fetched) return { skipped: fetched.fault };
  const child = Bun.spawn(["python3", "-c", script], {
    env: { ...process.env, PYTHONPATH: fetched.folder },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  const lines = linesOf(child.stdout);
  const hello = await lines.next();
  if (hello.done === true) {
    const complaint = (await new Response(child.stderr).text()).trim().split("\n").at(-1);
    return { skipped: `python3 cannot use ${wheel}: ${complaint}` };
  }
  return {
    version: String((JSON.parse(hello.value) as { libzmq: string }).libzmq),
    async ask(order) {
      void child.stdin.write(`${JSON.stringify(order)}\n`);
      await child.stdin.flush();
      const line = await lines.next();
      if (line.done === true) throw new Error(await new Response(child.stderr).text());
      return (JSON.parse(line.value) as { answer: unknown }).answer;
    },
    async stop() {
      await child.stdin.end();
      await child.exited;
    },
  };
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const bytes of stream) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  return undefined;
}

function track<Closable extends { close(): unknown }>(socket: Closable): Closable {
  open.push(socket);
  return socket;
}

function hex(text: string): string {
  return Buffer.from(text).toString("hex");
}
