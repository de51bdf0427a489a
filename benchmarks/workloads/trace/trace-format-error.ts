/** A trace file that is not in the format; says where and what. */
export class TraceFormatError extends Error {
  override readonly name = "TraceFormatError";
}
