import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "../../base/index.ts";
import { encodeCommand } from "../frames.ts";
import { encodeGreeting } from "../greeting.ts";
import {
  createDealer,
  createPublisher,
  createSubscriber,
  type PublisherOptions,
  type SubscriberOptions,
} from "../index.ts";

/** Quick enough for tests, slow enough not to spin. */
const quick = { reconnectMinMs: 5, reconnectMaxMs: 20 };

const open: { close(): unknown }[] = [];
const folder = mkdtempSync(join(tmpdir(), "warmpath-zmtp-"));
let files = 0;
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

/** Closes whatever the test has opened, the latest first. */
export async function closeOpened(): Promise<void> {
  for (const socket of open.splice(0).toReversed()) await socket.close();
}

/** A publisher and a subscriber that have found each other, whichever of them binds. */
export async function pair(
  endpoint: string,
  bound: "publisher" | "subscriber",
  topics: readonly string[],
  heard: Inbox,
  limits: PublisherOptions["limits"] = {},
  onFault: PublisherOptions["onFault"] = () => undefined,
) {
  if (bound === "publisher") {
    const publisher = await publisherAt({ endpoint, mode: "bind", limits, onFault });
    await subscriberAt({ endpoint: publisher.endpoint, mode: "connect", topics }, heard);
    await publisher.ready();
    return { publisher };
  }
  const subscriber = await subscriberAt({ endpoint, mode: "bind", topics }, heard);
  const publisher = await publisherAt({
    endpoint: subscriber.endpoint,
    mode: "connect",
    limits,
    onFault,
  });
  await publisher.ready();
  return { publisher };
}

/** A publisher that can be waited for until one subscriber is there, or gone. */
export async function publisherAt(options: PublisherOptions) {
  const subscribers = counter();
  const publisher = await createPublisher({
    random: seededRandom(1),
    ...options,
    limits: { ...quick, ...options.limits },
    onSubscribers: subscribers.set,
  });
  track(publisher);
  return {
    ...publisher,
    get subscribers() {
      return publisher.subscribers;
    },
    get dropped() {
      return publisher.dropped;
    },
    ready: () => subscribers.is(1),
    gone: () => subscribers.is(0),
  };
}

/** A subscriber whose messages go to an inbox. */
export async function subscriberAt(options: Omit<SubscriberOptions, "onMessage">, heard: Inbox) {
  return track(await createSubscriber({ limits: quick, ...options, onMessage: heard.add }));
}

/** A dealer that is connected. */
export async function dealerAt(
  endpoint: string,
  heard: Inbox,
  more: { identity?: Uint8Array } = {},
) {
  const connected = counter();
  const dealer = createDealer({
    endpoint,
    limits: quick,
    ...more,
    onMessage: heard.add,
    onConnected: (isConnected) => connected.set(isConnected ? 1 : 0),
  });
  track(dealer);
  await connected.is(1);
  return dealer;
}

/** A peer made of bytes: it has sent its greeting and READY. */
export async function rawPeer(endpoint: string, type: string, identity = ""): Promise<Socket> {
  const socket = socketTo(endpoint);
  const property = (name: string, value: string) =>
    `${String.fromCharCode(name.length)}${name}\0\0\0${String.fromCharCode(value.length)}${value}`;
  socket.write(encodeGreeting());
  socket.write(
    encodeCommand(
      text(`\x05READY${property("Socket-Type", type)}${property("Identity", identity)}`),
    ),
  );
  await new Promise((resolve) => socket.once("data", resolve));
  return socket;
}

/** A bare TCP connection to a socket of ours; its errors are the test's to expect. */
export function socketTo(endpoint: string): Socket {
  const { hostname, port } = new URL(endpoint.replace("tcp:", "http:"));
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  track({ close: () => socket.destroy() });
  return socket;
}

/** Resolves when the other side has closed the connection. */
export async function closed(socket: Socket): Promise<void> {
  if (socket.closed) return;
  const gone = new Promise((resolve) => socket.once("close", resolve));
  socket.resume();
  await gone;
}

/** A TCP relay whose connections can be cut. */
export async function passThrough(endpoint: string) {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = socketTo(endpoint);
    sockets.add(near).add(far);
    near.on("error", () => undefined);
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const cut = () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  track({
    close() {
      cut();
      server.close();
    },
  });
  return { endpoint: `tcp://127.0.0.1:${port}`, cut };
}

/** What came so far, and what is still waited for. */
interface Inbox {
  readonly add: (frames: readonly Uint8Array[]) => void;
  count(count: number): Promise<readonly (readonly Uint8Array[])[]>;
  texts(count: number): Promise<readonly string[]>;
}

/** Messages as they come, and a promise for the first so many. */
export function inbox(): Inbox {
  const messages: (readonly Uint8Array[])[] = [];
  let wake: () => void = () => undefined;
  const count = async (wanted: number) => {
    while (messages.length < wanted) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return messages.slice(0, wanted);
  };
  return {
    add(frames) {
      messages.push(frames);
      wake();
    },
    count,
    texts: async (wanted) =>
      (await count(wanted)).map((frames) =>
        frames.map((frame) => Buffer.from(frame).toString()).join("|"),
      ),
  };
}

/** A number that can be waited for. */
export function counter() {
  let value = 0;
  let wake: () => void = () => undefined;
  return {
    set(next: number) {
      value = next;
      wake();
    },
    async is(wanted: number) {
      while (value !== wanted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

/** Has it closed at the end of the test. */
export function track<Closable extends { close(): unknown }>(socket: Closable): Closable {
  open.push(socket);
  return socket;
}

/** A socket file that nobody uses. */
export function ipc(): string {
  return `ipc://${join(folder, `${files++}.sock`)}`;
}

/** The bytes of a text, one each. */
export function text(value: string): Buffer {
  return Buffer.from(value, "latin1");
}
