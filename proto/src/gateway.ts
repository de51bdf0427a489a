/** Package warmpath.gateway.v1. */
export * from "./gen/warmpath/gateway/v1/agent_service_pb.ts";
