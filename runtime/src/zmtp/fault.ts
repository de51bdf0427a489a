/** What went wrong between two peers; closed, so that callers can branch on it. */
export type ZmtpFaultKind =
  /** The other side does not speak ZMTP, or a version before 3.0. */
  | "not-zmtp"
  /** It wants another security mechanism than NULL. */
  | "mechanism"
  /** Its socket type does not pair with ours, such as PUB with DEALER. */
  | "socket-type"
  /** It broke the protocol's rules. */
  | "protocol"
  /** It sent more than we accept. */
  | "too-large"
  /** It told us an error. */
  | "refused"
  /** It did not answer in time. */
  | "silent";

/** One peer's fault; it ends that peer's connection and nothing else. */
export class ZmtpFault extends Error {
  readonly kind: ZmtpFaultKind;

  constructor(kind: ZmtpFaultKind, message: string) {
    super(message);
    this.name = "ZmtpFault";
    this.kind = kind;
  }
}
