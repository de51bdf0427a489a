/** Package warmpath.state.v1. */
export * from "./gen/warmpath/state/v1/agent_registry_pb.ts";
export * from "./gen/warmpath/state/v1/conversation_service_pb.ts";
export * from "./gen/warmpath/state/v1/key_service_pb.ts";
export * from "./gen/warmpath/state/v1/knowledge_service_pb.ts";
export * from "./gen/warmpath/state/v1/task_service_pb.ts";
