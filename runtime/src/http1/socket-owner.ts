/** Who is told what happens to an accepted socket; each socket carries its own. */
export interface SocketOwner {
  read(bytes: Buffer): void;
  /** The socket takes more. */
  drained(): void;
  /** Nothing came for as long as it may take. */
  timedOut(): void;
  /** The other side sends no more; it may still read. */
  ended(): void;
  closed(): void;
}
