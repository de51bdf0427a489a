/** Bounds of one ZMTP socket; each has a default that suits streams of cache events. */
export interface ZmtpLimits {
  /** Largest frame and largest message, all its frames together, in bytes. */
  readonly messageBytesMax: number;
  /** Most frames of one message. */
  readonly messageFramesMax: number;
  /** Messages that wait for one slow peer (ZeroMQ's high-water mark); more are dropped. */
  readonly queueMessagesMax: number;
  /** The same in bytes: what a slow peer can cost in memory. */
  readonly queueBytesMax: number;
  /** Connections that a bound socket accepts. */
  readonly peersMax: number;
  /** Topics that one subscriber may have. */
  readonly topicsMax: number;
  /** A peer that has not finished its handshake by then is dropped, in ms. */
  readonly handshakeMs: number;
  /** First and longest wait before connecting again, in ms; it doubles between. */
  readonly reconnectMinMs: number;
  readonly reconnectMaxMs: number;
  /**
   * A peer that says nothing for this long, in ms, is asked with a PING, and dropped when it says
   * nothing for as long again. 0: never. PINGs of the peer are always answered.
   */
  readonly heartbeatMs: number;
}

/** Defaults; where ZeroMQ has the same bound and it is no smaller, they are its own. */
export const defaultZmtpLimits: ZmtpLimits = {
  // An event batch of a step of 16,384 tokens is about 0.1 MB; ZeroMQ has no bound.
  messageBytesMax: 16 * 1024 * 1024,
  messageFramesMax: 64,
  queueMessagesMax: 1_000,
  queueBytesMax: 64 * 1024 * 1024,
  peersMax: 1_024,
  topicsMax: 1_024,
  handshakeMs: 10_000,
  reconnectMinMs: 100,
  reconnectMaxMs: 5_000,
  heartbeatMs: 0,
};
