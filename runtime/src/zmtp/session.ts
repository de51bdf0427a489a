/**
 * One connection's protocol, from greeting to messages, as a machine of bytes in and bytes out. It
 * knows no sockets, so that every split of the bytes can be tested.
 */
import {
  checkPartner,
  errorCommand,
  parseCommand,
  pongCommand,
  readyCommand,
  type SocketType,
} from "./commands.ts";
import { ZmtpFault } from "./fault.ts";
import { createFrameReader, encodeCommand, type Frame } from "./frames.ts";
import { checkGreeting, encodeGreeting, greetingBytes } from "./greeting.ts";
import type { ZmtpLimits } from "./limits.ts";

/** Who is at the other end, as it said itself. */
export interface PeerInfo {
  readonly socketType: string;
  /** The routing id it asked for; often empty. */
  readonly identity: Uint8Array;
}

/** What a session is told, and where its bytes go. */
export interface SessionHooks {
  readonly write: (bytes: Uint8Array) => void;
  readonly onReady: (peer: PeerInfo) => void;
  /** A whole message. The frames are the receiver's to keep. */
  readonly onMessage: (frames: readonly Uint8Array[]) => void;
  /** A subscriber's wish, in whichever of the two forms it came. */
  readonly onTopic: (topic: Uint8Array, isWanted: boolean) => void;
}

/** How we present ourselves. */
export interface SessionOptions {
  readonly socketType: SocketType;
  readonly identity: Uint8Array;
  readonly limits: ZmtpLimits;
}

/** One connection's protocol. */
export interface Session {
  /** Takes bytes from the peer; throws {@link ZmtpFault} when they break the rules. */
  receive(chunk: Uint8Array): void;
}

/** Starts a session: the greeting is written at once. */
export function createSession(options: SessionOptions, hooks: SessionHooks): Session {
  const { socketType, identity, limits } = options;
  const greeting = new Uint8Array(greetingBytes);
  const reader = createFrameReader(limits.messageBytesMax);
  let greetingFilled = 0;
  let isReady = false;
  let message: Uint8Array[] = [];
  let messageBytes = 0;

  const onFrame = (frame: Frame) => {
    if (frame.isCommand) onCommand(frame.body);
    else if (isReady) onPart(frame);
    else throw new ZmtpFault("protocol", "a message before the handshake was over");
  };

  const onCommand = (body: Uint8Array) => {
    const command = parseCommand(body);
    switch (command.name) {
      case "READY":
        return shakeHands(command.properties);
      case "ERROR":
        throw new ZmtpFault("refused", `the peer refuses: ${command.reason}`);
      case "PING":
        return hooks.write(encodeCommand(pongCommand(command.context)));
      case "SUBSCRIBE":
      case "CANCEL":
        if (isReady && socketType === "PUB") {
          hooks.onTopic(command.topic, command.name === "SUBSCRIBE");
        }
        return;
      case "PONG":
      case "other":
        return;
    }
  };

  const shakeHands = (properties: ReadonlyMap<string, Uint8Array>) => {
    if (isReady) throw new ZmtpFault("protocol", "a second READY command");
    const theirs = checkPartner(socketType, properties);
    isReady = true;
    hooks.onReady({
      socketType: theirs,
      identity: properties.get("identity") ?? new Uint8Array(),
    });
  };

  const onPart = ({ body, hasMore }: Frame) => {
    message.push(body);
    messageBytes += body.length;
    if (messageBytes > limits.messageBytesMax || message.length > limits.messageFramesMax) {
      const size = `${message.length} frames and ${messageBytes} bytes`;
      throw new ZmtpFault("too-large", `a message of ${size} or more is not accepted`);
    }
    if (hasMore) return;
    const frames = message;
    message = [];
    messageBytes = 0;
    if (socketType === "PUB") onTopicMessage(frames);
    else hooks.onMessage(frames);
  };

  /** ZMTP 3.0's form of a subscription: a message of 1 or 0 and the topic. */
  const onTopicMessage = ([body]: readonly Uint8Array[]) => {
    const sign = body?.[0];
    if (body === undefined || (sign !== 0 && sign !== 1)) return;
    hooks.onTopic(body.subarray(1), sign === 1);
  };

  hooks.write(encodeGreeting());
  return {
    receive(chunk) {
      let rest = chunk;
      if (greetingFilled < greetingBytes) {
        const part = chunk.subarray(0, greetingBytes - greetingFilled);
        greeting.set(part, greetingFilled);
        greetingFilled += part.length;
        rest = chunk.subarray(part.length);
        checkGreeting(greeting.subarray(0, greetingFilled));
        if (greetingFilled < greetingBytes) return;
        hooks.write(encodeCommand(readyCommand(socketType, identity)));
      }
      try {
        reader.push(rest, onFrame);
      } catch (error) {
        // RFC 23 has a command for it, as long as no message has passed.
        if (!isReady && error instanceof ZmtpFault && error.kind !== "refused") {
          hooks.write(encodeCommand(errorCommand(error.message)));
        }
        throw error;
      }
    },
  };
}
