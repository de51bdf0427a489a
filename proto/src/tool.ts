/** Package warmpath.tool.v1. */
export * from "./gen/warmpath/tool/v1/tool_service_pb.ts";
