// Server reflection, v1 and v1alpha. The library answers from file descriptors; ours come from buf, because what
// @grpc/proto-loader makes of .proto files has no imports and wrong map entries, and grpcurl and buf curl refuse it.
import type { Server } from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import { fileDescriptors } from "../gen/descriptors.js";

export function addReflection(server: Server): void {
  const files = fileDescriptors.map((base64) => Buffer.from(base64, "base64"));
  // Of a package definition the library reads nothing but these.
  new ReflectionService({
    all: { format: "Protocol Buffer 3 EnumDescriptorProto", type: {}, fileDescriptorProtos: files },
  }).addToServer(server);
}
