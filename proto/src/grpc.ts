/** Packages grpc.health.v1 and grpc.reflection.v1: what every gRPC server answers. */
export * as health from "./gen/grpc/health/v1/health_pb.ts";
export * as reflection from "./gen/grpc/reflection/v1/reflection_pb.ts";
