/** Bounds of RPC serving and calling; a service may lower or raise those it states. */
export interface RpcLimits {
  /**
   * Largest message received, in bytes, decompressed. 4 MiB is gRPC's own default, and holds a
   * conversation of a million characters.
   */
  readonly messageBytesMax: number;
  /**
   * Largest message sent, in bytes. Above what is received, so that the receiver is the one to
   * refuse.
   */
  readonly sentMessageBytesMax: number;
}

/** What applies unless a service states otherwise. */
export const defaultRpcLimits: RpcLimits = {
  messageBytesMax: 4 * 1024 * 1024,
  sentMessageBytesMax: 16 * 1024 * 1024,
};

/**
 * Calls open at once on one HTTP/2 connection; grpc's usual bound is 100, and one service here is
 * one client.
 */
export const concurrentStreamsMax = 4096;

/** Deepest a chain of agents may be, and the most metadata a principal takes in a header. */
export const principalCharsMax = 8192;

/**
 * How long a signed principal is believed: longer than any queue before a handler, shorter than a
 * key's life.
 */
export const principalLifeMs = 5 * 60_000;

/** Stack and clock differences between machines that an expiry forgives. */
export const clockSkewMs = 30_000;

/** Fault sentences listed in one error; the rest is counted. */
export const fieldFaultsMax = 32;

/**
 * Longest sentence of an error on the wire, in characters: trailers have to fit in a header block.
 */
export const errorMessageCharsMax = 2048;

/** When to try again where an error says "later" and nobody knew when, in ms. */
export const retryAfterMsDefault = 1_000;

/**
 * Largest HTTP request body a listener reads, in bytes; each edge then applies its own smaller
 * bound.
 */
export const httpBodyBytesMax = 64 * 1024 * 1024;

/**
 * Silence after which a connection is probed, in ms; below the 5 minutes after which many networks
 * forget it.
 */
export const keepaliveMs = 60_000;

/** How long a probe may stay unanswered, in ms, before the connection is given up. */
export const keepaliveTimeoutMs = 10_000;

/**
 * Longest wait between attempts to reconnect to a service, in ms: it is back within a moment of its
 * return.
 */
export const reconnectBackoffMsMax = 2_000;

/**
 * Longest deadline a caller may set, in ms: what a timer of the platform can hold, about 24 days.
 */
export const callTimeoutMsMax = 2 ** 31 - 1;
