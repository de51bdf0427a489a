/** Package warmpath.log.v1. */
export * from "./gen/warmpath/log/v1/event_pb.ts";
