/** Package warmpath.common.v1. */
export * from "./gen/warmpath/common/v1/event_pb.ts";
export * from "./gen/warmpath/common/v1/live_pb.ts";
export * from "./gen/warmpath/common/v1/message_pb.ts";
export * from "./gen/warmpath/common/v1/principal_pb.ts";
export * from "./gen/warmpath/common/v1/task_pb.ts";
export * from "./gen/warmpath/common/v1/usage_pb.ts";
