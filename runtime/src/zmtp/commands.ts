/** The commands of ZMTP 3 (RFC 23) and those that 3.1 added (RFC 37). */
import { ZmtpFault } from "./fault.ts";

/** Socket types that can be met or be ours. */
export type SocketType = "PUB" | "SUB" | "ROUTER" | "DEALER";

/** Socket types of RFC 28 and 29 that may stand at the other end of each of ours. */
const partners: Readonly<Record<SocketType, readonly string[]>> = {
  PUB: ["SUB", "XSUB"],
  SUB: ["PUB", "XPUB"],
  ROUTER: ["REQ", "DEALER", "ROUTER"],
  DEALER: ["REP", "DEALER", "ROUTER"],
};

/** A command as read. */
export type Command =
  | { readonly name: "READY"; readonly properties: ReadonlyMap<string, Uint8Array> }
  | { readonly name: "ERROR"; readonly reason: string }
  | { readonly name: "PING"; readonly context: Uint8Array }
  | { readonly name: "PONG" }
  | { readonly name: "SUBSCRIBE" | "CANCEL"; readonly topic: Uint8Array }
  /** Unknown commands are passed over, as RFC 23 asks. */
  | { readonly name: "other" };

const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");

/** RFC 37: what a PING carries to be sent back is at most 16 bytes. */
const pingContextBytesMax = 16;
const pingTtlBytes = 2;

/** Opens the exchange of messages; `identity` is how a ROUTER shall call us. */
export function readyCommand(type: SocketType, identity: Uint8Array): Uint8Array {
  return concat(
    named("READY"),
    property("Socket-Type", encoder.encode(type)),
    property("Identity", identity),
  );
}

/** Tells why the connection is being refused; only before READY. */
export function errorCommand(reason: string): Uint8Array {
  const text = encoder.encode(reason).subarray(0, 255);
  return concat(named("ERROR"), Uint8Array.of(text.length), text);
}

/** Asks for a sign of life; no time to live is asked for. */
export function pingCommand(): Uint8Array {
  return concat(named("PING"), new Uint8Array(pingTtlBytes));
}

/** The answer to a PING with `context`. */
export function pongCommand(context: Uint8Array): Uint8Array {
  return concat(named("PONG"), context);
}

/** Reads the body of a command frame; throws {@link ZmtpFault}. */
export function parseCommand(body: Uint8Array): Command {
  const nameBytes = body[0] ?? 0;
  if (nameBytes === 0 || body.length < 1 + nameBytes) {
    throw new ZmtpFault("protocol", "a command without a name");
  }
  const name = decoder.decode(body.subarray(1, 1 + nameBytes));
  const rest = body.subarray(1 + nameBytes);
  switch (name) {
    case "READY":
      return { name, properties: parseProperties(rest) };
    case "ERROR":
      return { name, reason: decoder.decode(rest.subarray(1, 1 + (rest[0] ?? 0))) };
    case "PING": {
      const context = rest.subarray(pingTtlBytes);
      if (rest.length < pingTtlBytes || context.length > pingContextBytesMax) {
        throw new ZmtpFault("protocol", `a PING of ${rest.length} bytes`);
      }
      return { name, context };
    }
    case "PONG":
      return { name };
    case "SUBSCRIBE":
    case "CANCEL":
      return { name, topic: rest };
    default:
      return { name: "other" };
  }
}

/** The other side's type; throws {@link ZmtpFault} unless it pairs with ours. */
export function checkPartner(
  ours: SocketType,
  properties: ReadonlyMap<string, Uint8Array>,
): string {
  const theirs = decoder.decode(properties.get("socket-type") ?? new Uint8Array());
  if (!partners[ours].includes(theirs)) {
    const wanted = partners[ours].join(" or ");
    const fault = `a ${ours} socket talks to ${wanted}, not to ${JSON.stringify(theirs)}`;
    throw new ZmtpFault("socket-type", fault);
  }
  return theirs;
}

/** Property names are compared without regard to case, so they are kept in lower case. */
function parseProperties(bytes: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const properties = new Map<string, Uint8Array>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  while (at < bytes.length) {
    const nameEnd = at + 1 + bytes[at]!;
    if (nameEnd === at + 1 || nameEnd + 4 > bytes.length) throw cutProperties();
    const valueEnd = nameEnd + 4 + view.getUint32(nameEnd);
    if (valueEnd > bytes.length) throw cutProperties();
    const name = decoder.decode(bytes.subarray(at + 1, nameEnd)).toLowerCase();
    properties.set(name, bytes.slice(nameEnd + 4, valueEnd));
    at = valueEnd;
  }
  return properties;
}

function cutProperties(): ZmtpFault {
  return new ZmtpFault("protocol", "a READY command whose properties are cut");
}

function property(name: string, value: Uint8Array): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, value.length);
  return concat(named(name), length, value);
}

function named(name: string): Uint8Array {
  const bytes = encoder.encode(name);
  return concat(Uint8Array.of(bytes.length), bytes);
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
