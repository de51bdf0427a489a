import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Path } from "@bufbuild/protobuf/reflect";
import { createValidator, type Violation } from "@bufbuild/protovalidate";
import type { Interceptor } from "@connectrpc/connect";
import { type FieldFault, WarmpathError } from "../base/index.ts";
import { fieldFaultsMax } from "./limits.ts";

const validator = createValidator();

/**
 * Throws `rejected-invalid` with one fault a field unless the message keeps the rules of its .proto
 * file.
 */
export function assertValid<D extends DescMessage>(schema: D, message: MessageShape<D>): void {
  const result = validator.validate(schema, message);
  if (result.kind === "valid") {
    return;
  }
  if (result.kind === "error") {
    throw new WarmpathError("failed-internal", "internal error", { cause: result.error });
  }
  const fields = result.violations.map(faultOf);
  const shown = fields.slice(0, fieldFaultsMax).map(({ field, fault }) => `${field}: ${fault}`);
  const message_ = `the request is not valid: ${shown.join("; ")}`;
  throw new WarmpathError("rejected-invalid", message_, { fields });
}

/** Checks every received message, unary and streamed, before the implementation sees it. */
export const validateRequests: Interceptor = (next) => (request) => {
  if (!request.stream) {
    assertValid(request.method.input, request.message);
    return next(request);
  }
  return next({ ...request, message: validEach(request.method.input, request.message) });
};

async function* validEach<D extends DescMessage>(
  schema: D,
  messages: AsyncIterable<MessageShape<D>>,
): AsyncIterable<MessageShape<D>> {
  for await (const message of messages) {
    assertValid(schema, message);
    yield message;
  }
}

function faultOf(violation: Violation): FieldFault {
  return { field: pathText(violation.field) || "(message)", fault: violation.message };
}

/** The path as callers of the JSON form spell it: `message.parts[0].text`. */
function pathText(path: Path): string {
  let text = "";
  for (const part of path) {
    switch (part.kind) {
      case "field":
        text += text === "" ? part.jsonName : `.${part.jsonName}`;
        break;
      case "oneof":
        text += text === "" ? part.localName : `.${part.localName}`;
        break;
      case "extension":
        text += `[${part.typeName}]`;
        break;
      case "list_sub":
        text += `[${part.index}]`;
        break;
      case "map_sub":
        text += `[${JSON.stringify(String(part.key))}]`;
        break;
      default:
        break;
    }
  }
  return text;
}
