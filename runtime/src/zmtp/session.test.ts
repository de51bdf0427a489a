/**
 * Goal: the handshake and the messages after it obey ZMTP 3.0, however their bytes arrive, and a
 * peer that breaks the rules is told apart from one that does not speak ZMTP.
 */
import { describe, expect, test } from "bun:test";
import { seededRandom } from "../base/index.ts";
import type { SocketType } from "./commands.ts";
import { ZmtpFault } from "./fault.ts";
import { encodeCommand, encodeMessage } from "./frames.ts";
import { encodeGreeting, greetingBytes } from "./greeting.ts";
import { defaultZmtpLimits, type ZmtpLimits } from "./limits.ts";
import { createSession } from "./session.ts";

/** What libzmq 4.3.5 sends as greeting, as captured. */
const libzmqGreeting = Buffer.concat([
  Buffer.from("ff00000000000000017f0301", "hex"),
  Buffer.from("NULL"),
  Buffer.alloc(greetingBytes - 16),
]);

describe("the handshake", () => {
  test("ends ready and messages follow, whatever the byte at which the stream is cut", () => {
    const stream = Buffer.concat([
      libzmqGreeting,
      ready("PUB"),
      encodeMessage([text("topic"), text("payload")]),
    ]);
    for (let cut = 0; cut <= stream.length; cut++) {
      const { session, log } = start("SUB");
      session.receive(stream.subarray(0, cut));
      session.receive(stream.subarray(cut));
      expect(log).toEqual(["ready PUB", "message topic|payload"]);
    }
  });

  test("sends the greeting at once and READY after the peer's greeting", () => {
    const { session, sent } = start("DEALER", { identity: text("me") });
    expect(sent()).toEqual(Buffer.from(encodeGreeting()));
    expect(hex(sent())).toBe(`ff00000000000000007f0300${hex(text("NULL"))}${"00".repeat(48)}`);
    session.receive(libzmqGreeting);
    expect(sent().subarray(greetingBytes).toString("latin1")).toBe(
      "\x04\x2b\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\x02me",
    );
  });

  test("tells the peer's identity", () => {
    const { session, log } = start("ROUTER");
    session.receive(Buffer.concat([libzmqGreeting, ready("DEALER", "worker-1")]));
    expect(log).toEqual(["ready DEALER worker-1"]);
  });

  const refusals: readonly [string, Uint8Array, string][] = [
    ["HTTP", text("GET / HTTP/1.1\r\n"), "not-zmtp: the peer does not speak ZMTP 3: no signature"],
    ["ZMTP 2", greetingWith(10, 1), "not-zmtp: the peer speaks version 1, and 3 is needed"],
    [
      "another mechanism",
      greetingWith(12, ...text("CURVE")),
      'mechanism: the peer wants the mechanism "CURVE"; only NULL is spoken',
    ],
    [
      "a socket type that does not pair",
      Buffer.concat([libzmqGreeting, ready("PUSH")]),
      'socket-type: a SUB socket talks to PUB or XPUB, not to "PUSH"',
    ],
    [
      "a message too early",
      Buffer.concat([libzmqGreeting, encodeMessage([text("x")])]),
      "protocol: a message before the handshake was over",
    ],
    [
      "a second READY",
      Buffer.concat([libzmqGreeting, ready("PUB"), ready("PUB")]),
      "protocol: a second READY command",
    ],
    [
      "an ERROR",
      Buffer.concat([libzmqGreeting, encodeCommand(text("\x05ERROR\x04nope"))]),
      "refused: the peer refuses: nope",
    ],
    [
      "cut properties",
      Buffer.concat([libzmqGreeting, encodeCommand(text("\x05READY\x0bSocket-Type\0\0\0\x09PUB"))]),
      "protocol: a READY command whose properties are cut",
    ],
  ];
  for (const [what, bytes, fault] of refusals) {
    test(`refuses ${what}, in one piece and byte by byte`, () => {
      expect(faultOf("SUB", [bytes])).toBe(fault);
      expect(
        faultOf(
          "SUB",
          [...bytes].map((byte) => Uint8Array.of(byte)),
        ),
      ).toBe(fault);
    });
  }

  test("tells the peer why it is refused", () => {
    const { session, sent } = start("SUB");
    expect(() => session.receive(Buffer.concat([libzmqGreeting, ready("PUSH")]))).toThrow();
    expect(sent().toString("latin1")).toContain("\x05ERROR\x30a SUB socket talks to PUB or XPUB");
  });
});

describe("after the handshake", () => {
  test("a PING is answered with its context, also during the handshake", () => {
    const { session, sent } = start("SUB");
    session.receive(Buffer.concat([libzmqGreeting, ready("PUB")]));
    const before = sent().length;
    session.receive(encodeCommand(Buffer.concat([text("\x04PING\0\x0a"), text("ctx")])));
    expect(sent().subarray(before).toString("latin1")).toBe("\x04\x08\x04PONGctx");
  });

  test("subscriptions are heard in the forms of 3.0 and of 3.1", () => {
    const { session, log } = start("PUB");
    session.receive(Buffer.concat([libzmqGreeting, ready("SUB")]));
    session.receive(encodeMessage([text("\x01kv")]));
    session.receive(encodeMessage([text("\x00kv")]));
    session.receive(encodeCommand(text("\x09SUBSCRIBEkv@")));
    session.receive(encodeCommand(text("\x06CANCELkv@")));
    expect(log.slice(1)).toEqual(["+kv", "-kv", "+kv@", "-kv@"]);
  });

  test("unknown commands are passed over", () => {
    const { session, log } = start("SUB");
    session.receive(Buffer.concat([libzmqGreeting, ready("PUB")]));
    session.receive(encodeCommand(text("\x04JOINgroup")));
    expect(log).toEqual(["ready PUB"]);
  });

  test("a message of many parts is bounded in parts and in bytes", () => {
    const limits = { messageFramesMax: 3, messageBytesMax: 100 };
    const open = Buffer.concat([libzmqGreeting, ready("PUB")]);
    const parts = encodeMessage([1, 2, 3, 4].map(() => text("a")));
    expect(faultOf("SUB", [open, parts], limits)).toStartWith("too-large: a message of 4 frames");
    const bytes = encodeMessage([new Uint8Array(60), new Uint8Array(60)]);
    expect(faultOf("SUB", [open, bytes], limits)).toContain("2 frames and 120 bytes");
  });

  test("random bytes end in a fault or in nothing, never in another error", () => {
    const random = seededRandom(3);
    const open = Buffer.concat([libzmqGreeting, ready("SUB")]);
    for (let round = 0; round < 2_000; round++) {
      const noise = new Uint8Array(40).map(() => Math.floor(random.next() * 12));
      faultOf("PUB", [open, noise]);
    }
  });
});

function start(
  socketType: SocketType,
  options: { identity?: Uint8Array; limits?: Partial<ZmtpLimits> } = {},
) {
  const written: Uint8Array[] = [];
  const log: string[] = [];
  const { identity = new Uint8Array(), limits } = options;
  const session = createSession(
    { socketType, identity, limits: { ...defaultZmtpLimits, ...limits } },
    {
      write: (bytes) => written.push(bytes),
      onReady: (peer) =>
        log.push(`ready ${peer.socketType} ${Buffer.from(peer.identity).toString()}`.trim()),
      onMessage: (frames) =>
        log.push(`message ${frames.map((frame) => Buffer.from(frame).toString()).join("|")}`),
      onTopic: (topic, isWanted) =>
        log.push(`${isWanted ? "+" : "-"}${Buffer.from(topic).toString()}`),
    },
  );
  return { session, log, sent: () => Buffer.concat(written) };
}

function faultOf(
  socketType: SocketType,
  chunks: readonly Uint8Array[],
  limits: Partial<ZmtpLimits> = {},
): string | undefined {
  const { session } = start(socketType, { limits });
  try {
    for (const chunk of chunks) session.receive(chunk);
  } catch (error) {
    if (error instanceof ZmtpFault) return `${error.kind}: ${error.message}`;
    throw error;
  }
  return undefined;
}

function ready(type: string, identity = ""): Uint8Array {
  const property = (name: string, value: string) =>
    `${String.fromCharCode(name.length)}${name}\0\0\0${String.fromCharCode(value.length)}${value}`;
  return encodeCommand(
    text(`\x05READY${property("Socket-Type", type)}${property("Identity", identity)}`),
  );
}

function greetingWith(offset: number, ...bytes: number[]): Uint8Array {
  const greeting = new Uint8Array(encodeGreeting());
  greeting.set(bytes, offset);
  return greeting;
}

function text(value: string): Buffer {
  return Buffer.from(value, "latin1");
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
