/*
 * What one client's connection may take: time and bytes.
 */

/** A client that sends neither a head nor a body for so long is not waited for. */
export const receiveSecondsMax = 60;
/** A kept connection without a request. Longer than common balancers keep theirs: they close. */
export const idleSecondsMax = 120;
/** A client that takes nothing of what it is to get for so long has died, or might as well have. */
export const takeSecondsMax = 120;
/** Bytes of later requests that are held while one is answered. */
export const pipelinedBytesMax = 64 * 1024;
/** More than this of a body that nobody wants is not read to keep the connection. */
export const discardedBytesMax = 16 * 1024 * 1024;

/** An ended connection whose client does not close its side is cut after so long. */
export const lingerSeconds = 8;

/**
 * A client that has sent its last byte may still read, or be gone: the network does not say which.
 * One that is gone refuses whatever it is sent, so after a moment, in which most that are quick
 * have their answer, it is sent an interim response, which every client of HTTP/1.1 passes over.
 */
export const askedAfterMs = 50;
/** HTTP/1.0 has none: its clients are taken for gone where the answer takes longer than this. */
export const oldClientMs = 1000;
