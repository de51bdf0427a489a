import { WarmpathError } from "@warmpath/runtime/base";
import type { CallFault } from "../call/open-call.ts";

/** Words by which engines say that a prompt is too long; vLLM sets no code. */
const contextLength = /context_length_exceeded|maximum context length|input tokens/i;

/** An upstream's judgement of the request as our error. */
export function errorOfFault({ status, error, replica }: CallFault): WarmpathError {
  const message = `upstream ${replica}: ${error.message}`;
  if (status === 404) {
    return new WarmpathError("rejected-no-model", message);
  }
  return contextLength.test(`${error.code ?? ""} ${error.message}`)
    ? new WarmpathError("failed-context-length", message)
    : new WarmpathError("rejected-invalid", message);
}
