/**
 * Goal: sockets of ours find each other, lose each other and find each other again, and a peer that
 * is slow, silent or wrong costs its own connection and a bounded amount of memory.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { encodeMessage } from "./frames.ts";
import { encodeGreeting } from "./greeting.ts";
import { createPublisher, createRouter, createSubscriber } from "./index.ts";
import {
  closed,
  closeOpened,
  counter,
  dealerAt,
  inbox,
  ipc,
  pair,
  passThrough,
  publisherAt,
  rawPeer,
  socketTo,
  subscriberAt,
  text,
  track,
} from "./testing/sockets.ts";

afterEach(closeOpened);

describe("publisher and subscriber", () => {
  for (const transport of ["tcp", "ipc"] as const) {
    for (const bound of ["publisher", "subscriber"] as const) {
      test(`meet over ${transport} when the ${bound} binds`, async () => {
        const heard = inbox();
        const endpoint = transport === "tcp" ? "tcp://127.0.0.1:0" : ipc();
        const { publisher } = await pair(endpoint, bound, ["kv"], heard);
        const large = new Uint8Array(3_000_000).map((_, index) => index % 251);
        expect(publisher.publish([text("other"), text("not asked for")])).toBe(0);
        expect(publisher.publish([text("kv@a"), new Uint8Array(), large])).toBe(1);
        const [frames] = await heard.count(1);
        expect(frames?.map(({ length }) => length)).toEqual([4, 0, large.length]);
        expect(Buffer.compare(frames![2]!, large)).toBe(0);
      });
    }
  }

  test("keep the order of many messages", async () => {
    const heard = inbox();
    const { publisher } = await pair("tcp://127.0.0.1:0", "publisher", [""], heard, {
      queueMessagesMax: 20_000,
    });
    for (let index = 0; index < 20_000; index++) publisher.publish([text(String(index))]);
    const messages = await heard.count(20_000);
    expect(messages.map(([frame]) => Number(Buffer.from(frame!).toString()))).toEqual(
      Array.from({ length: 20_000 }, (_, index) => index),
    );
    expect(publisher.dropped).toBe(0);
  });

  test("find each other again after the publisher was away", async () => {
    const heard = inbox();
    const connected = counter();
    const first = await publisherAt({ endpoint: ipc(), mode: "bind" });
    await subscriberAt(
      { endpoint: first.endpoint, mode: "connect", topics: [""], onPublishers: connected.set },
      heard,
    );
    await first.ready();
    await first.close();
    await connected.is(0);
    const second = await publisherAt({ endpoint: first.endpoint, mode: "bind" });
    await second.ready();
    second.publish([text("back")]);
    expect(await heard.texts(1)).toEqual(["back"]);
  });

  test("find each other again after the connection was cut", async () => {
    const heard = inbox();
    const publisher = await publisherAt({ endpoint: "tcp://127.0.0.1:0", mode: "bind" });
    const between = await passThrough(publisher.endpoint);
    await subscriberAt({ endpoint: between.endpoint, mode: "connect", topics: [""] }, heard);
    await publisher.ready();
    between.cut();
    await publisher.gone();
    await publisher.ready();
    publisher.publish([text("after the cut")]);
    expect(await heard.texts(1)).toEqual(["after the cut"]);
  });

  test("a subscriber that does not read loses messages and costs no more than its queue", async () => {
    const publisher = await publisherAt({
      endpoint: "tcp://127.0.0.1:0",
      mode: "bind",
      limits: { queueMessagesMax: 50, queueBytesMax: 1_000_000 },
    });
    const slow = await rawPeer(publisher.endpoint, "SUB");
    slow.write(encodeMessage([text("\x01")]));
    await publisher.ready();
    slow.pause();
    const message = [new Uint8Array(100_000)];
    let taken = 0;
    for (let index = 0; index < 500; index++) taken += publisher.publish(message);
    // What the kernel's buffers hold has been sent; the queue holds 1 MB; the rest is gone.
    expect(publisher.dropped).toBe(500 - taken);
    expect(publisher.dropped).toBeGreaterThan(300);
    slow.resume();
    // Each drain makes room for new messages.
    while (publisher.publish([text("x")]) === 0) await Bun.sleep(1);
  });

  test("a subscriber with too many topics is dropped", async () => {
    const faults = inbox();
    const publisher = await publisherAt({
      endpoint: "tcp://127.0.0.1:0",
      mode: "bind",
      limits: { topicsMax: 3 },
      onFault: (fault) => faults.add([text(fault.message)]),
    });
    const greedy = await rawPeer(publisher.endpoint, "SUB");
    for (const topic of ["a", "b", "c", "d"]) greedy.write(encodeMessage([text(`\x01${topic}`)]));
    expect(await faults.texts(1)).toEqual(["more than 3 topics of one subscriber"]);
    await publisher.gone();
  });
});

describe("router and dealer", () => {
  test("answer by name, any number of times, to each its own", async () => {
    const router = track(
      await createRouter({
        endpoint: ipc(),
        onMessage(from, [question]) {
          for (let index = 0; index < 3; index++) router.send(from, [question!, text(`${index}`)]);
        },
      }),
    );
    const answers = await Promise.all(
      ["a", "b"].map(async (name) => {
        const heard = inbox();
        const dealer = await dealerAt(router.endpoint, heard);
        expect(dealer.send([text(name)])).toBe(true);
        return await heard.texts(3);
      }),
    );
    expect(answers).toEqual([
      ["a|0", "a|1", "a|2"],
      ["b|0", "b|1", "b|2"],
    ]);
  });

  test("a long answer waits for a slow asker and arrives whole", async () => {
    const heard = inbox();
    const router = track(
      await createRouter({
        endpoint: "tcp://127.0.0.1:0",
        limits: { queueMessagesMax: 10 },
        onMessage: (from) => void answerAll(from),
      }),
    );
    const answerAll = async (from: string) => {
      for (let index = 0; index < 3_000; index++) {
        while (!router.send(from, [text(String(index)), new Uint8Array(2_000)])) {
          await router.drained(from);
        }
      }
    };
    const dealer = await dealerAt(router.endpoint, heard);
    dealer.send([text("all")]);
    const numbers = (await heard.count(3_000)).map(([frame]) => Number(Buffer.from(frame!)));
    expect(numbers).toEqual(Array.from({ length: 3_000 }, (_, index) => index));
  });

  test("what is sent to who has gone is dropped, and said so", async () => {
    const names = inbox();
    const router = track(
      await createRouter({
        endpoint: "tcp://127.0.0.1:0",
        onMessage: (from) => names.add([text(from)]),
      }),
    );
    const dealer = await dealerAt(router.endpoint, inbox());
    dealer.send([text("hello")]);
    const [name = ""] = await names.texts(1);
    await dealer.close();
    while (router.has(name)) await Bun.sleep(1);
    expect(router.send(name, [text("x")])).toBe(false);
    expect(dealer.send([text("x")])).toBe(false);
  });

  test("a second peer under the same identity is not heard", async () => {
    const names = inbox();
    const router = track(
      await createRouter({
        endpoint: "tcp://127.0.0.1:0",
        onMessage: (from, [frame]) => names.add([text(from), frame!]),
      }),
    );
    const identity = text("one");
    const first = await dealerAt(router.endpoint, inbox(), { identity });
    const second = await rawPeer(router.endpoint, "DEALER", "one");
    await closed(second);
    first.send([text("still here")]);
    expect(await names.texts(1)).toEqual(["id:6f6e65|still here"]);
  });
});

describe("a peer that is wrong", () => {
  test("is refused with a clear fault and does not harm the others", async () => {
    const faults = inbox();
    const heard = inbox();
    const { publisher } = await pair("tcp://127.0.0.1:0", "publisher", [""], heard, {}, (fault) =>
      faults.add([text(`${fault.kind}: ${fault.message}`)]),
    );
    const web = socketTo(publisher.endpoint);
    web.write("GET / HTTP/1.1\r\n\r\n");
    await closed(web);
    const curve = new Uint8Array(encodeGreeting());
    curve.set(text("CURVE"), 12);
    const locked = socketTo(publisher.endpoint);
    locked.write(curve);
    await closed(locked);
    await closed(await rawPeer(publisher.endpoint, "DEALER"));
    expect(await faults.texts(3)).toEqual([
      "not-zmtp: the peer does not speak ZMTP 3: no signature",
      'mechanism: the peer wants the mechanism "CURVE"; only NULL is spoken',
      'socket-type: a PUB socket talks to SUB or XSUB, not to "DEALER"',
    ]);
    publisher.publish([text("unharmed")]);
    expect(await heard.texts(1)).toEqual(["unharmed"]);
  });

  test("is dropped when it does not finish its handshake", async () => {
    const faults = inbox();
    const publisher = await publisherAt({
      endpoint: "tcp://127.0.0.1:0",
      mode: "bind",
      limits: { handshakeMs: 20 },
      onFault: (fault) => faults.add([text(fault.message)]),
    });
    await closed(socketTo(publisher.endpoint));
    expect(await faults.texts(1)).toEqual(["no handshake within 20 ms"]);
  });

  test("is dropped when it stays silent after a PING, and kept when it answers", async () => {
    const faults = inbox();
    const publisher = await publisherAt({
      endpoint: "tcp://127.0.0.1:0",
      mode: "bind",
      limits: { heartbeatMs: 30 },
      onFault: (fault) => faults.add([text(fault.kind)]),
    });
    const answering = await subscriberAt(
      { endpoint: publisher.endpoint, mode: "connect", topics: [""] },
      inbox(),
    );
    await publisher.ready();
    const silent = await rawPeer(publisher.endpoint, "SUB");
    let said = "";
    await new Promise<void>((resolve) =>
      silent.on("data", (bytes: Buffer) => {
        said += bytes.toString("latin1");
        if (said.includes("\x04PING")) resolve();
      }),
    );
    expect(await faults.texts(1)).toEqual(["silent"]);
    expect(answering.publishers).toBe(1);
  });

  test("is turned away when there are as many connections as there may be", async () => {
    const publisher = await publisherAt({
      endpoint: "tcp://127.0.0.1:0",
      mode: "bind",
      limits: { peersMax: 1 },
    });
    await subscriberAt({ endpoint: publisher.endpoint, mode: "connect", topics: [""] }, inbox());
    await publisher.ready();
    await closed(socketTo(publisher.endpoint));
    expect(publisher.subscribers).toBe(1);
  });
});

describe("endpoints", () => {
  test("that are none are refused with what to write instead", async () => {
    for (const endpoint of ["", "tcp://", "tcp://host", "udp://a:1", "ipc://", "tcp://a:70000"]) {
      const refusal = createSubscriber({
        endpoint,
        mode: "connect",
        topics: [],
        onMessage: () => undefined,
      });
      await expect(refusal).rejects.toThrow("is no endpoint: write tcp://host:port or ipc://path");
    }
  });

  test("that are taken are refused, a dead socket file is replaced", async () => {
    const endpoint = ipc();
    const first = await publisherAt({ endpoint, mode: "bind" });
    await expect(createPublisher({ endpoint, mode: "bind" })).rejects.toThrow("cannot listen on");
    await first.close();
    const dying = Bun.spawn([
      process.execPath,
      "-e",
      `Bun.listen({ unix: ${JSON.stringify(endpoint.slice(6))}, socket: { data() {} } });
       process.kill(process.pid, "SIGKILL")`,
    ]);
    await dying.exited;
    await publisherAt({ endpoint, mode: "bind" });
  });
});
