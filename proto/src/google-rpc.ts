/** Package google.rpc: the standard error details. */
export * from "./gen/google/rpc/error_details_pb.ts";
