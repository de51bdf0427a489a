/** Package warmpath.inference.v1. */
export * from "./gen/warmpath/inference/v1/inference_service_pb.ts";
