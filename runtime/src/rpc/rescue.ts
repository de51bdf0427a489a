import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "@warmpath/proto/google-rpc";
import {
  type Code as CodeName,
  type FieldFault,
  isReason,
  type Reason,
  reasonForCode,
  registerErrorConverter,
  WarmpathError,
} from "../base/index.ts";
import { errorMessageCharsMax, fieldFaultsMax, retryAfterMsDefault } from "./limits.ts";

/** Domain of our reasons in google.rpc.ErrorInfo. */
export const errorDomain = "warmpath";

/**
 * Says in whole seconds when to try again; set beside google.rpc.RetryInfo for plain HTTP clients.
 */
export const retryAfterHeader = "retry-after";

const codeByName: Record<CodeName, Code> = {
  canceled: Code.Canceled,
  unknown: Code.Unknown,
  invalid_argument: Code.InvalidArgument,
  deadline_exceeded: Code.DeadlineExceeded,
  not_found: Code.NotFound,
  already_exists: Code.AlreadyExists,
  permission_denied: Code.PermissionDenied,
  resource_exhausted: Code.ResourceExhausted,
  failed_precondition: Code.FailedPrecondition,
  aborted: Code.Aborted,
  out_of_range: Code.OutOfRange,
  unimplemented: Code.Unimplemented,
  internal: Code.Internal,
  unavailable: Code.Unavailable,
  data_loss: Code.DataLoss,
  unauthenticated: Code.Unauthenticated,
};

const nameByCode = new Map<Code, CodeName>(
  // The keys of a record of code names are code names.
  Object.entries(codeByName).map(([name, code]) => [code, name as CodeName]),
);

/** The error as gRPC, gRPC-Web and Connect carry it: status, sentence and google.rpc details. */
export function connectErrorFromWarmpath(error: WarmpathError): ConnectError {
  const metadata = new Headers();
  const details: {
    desc: typeof ErrorInfoSchema;
    value: MessageInitShape<typeof ErrorInfoSchema>;
  }[] = [{ desc: ErrorInfoSchema, value: { reason: error.reason, domain: errorDomain } }];
  const more: ConnectError["details"] = [];
  if (error.fields.length > 0) {
    const fieldViolations = error.fields.slice(0, fieldFaultsMax).map(({ field, fault }) => ({
      field,
      description: fault,
      reason: error.reason,
    }));
    more.push({ desc: BadRequestSchema, value: create(BadRequestSchema, { fieldViolations }) });
  }
  const retryAfterMs = retryAfterMsOf(error);
  if (retryAfterMs !== undefined) {
    const retryDelay = durationFromMs(retryAfterMs);
    more.push({ desc: RetryInfoSchema, value: create(RetryInfoSchema, { retryDelay }) });
    metadata.set(retryAfterHeader, retryAfterSeconds(retryAfterMs));
  }
  const message = publicMessageOf(error).slice(0, errorMessageCharsMax);
  const connectError = new ConnectError(message, codeByName[error.code], metadata, details, error);
  connectError.details.push(...more);
  return connectError;
}

/**
 * What may be said outside of this process. A fault of ours is told by its reason alone: its
 * sentence may quote a statement, a path or somebody's data, and the log has it.
 */
export function publicMessageOf(error: WarmpathError): string {
  return error.reason === "failed-internal" ? "internal error" : error.message;
}

/** The codes by which a caller knows that the same call may succeed later. */
const laterCodes: ReadonlySet<CodeName> = new Set(["resource_exhausted", "unavailable"]);

/**
 * When to try again: as the error says, or after a second where its code promises that it helps and
 * nobody knew when.
 */
export function retryAfterMsOf({ code, retry, retryAfterMs }: WarmpathError): number | undefined {
  if (retryAfterMs !== undefined && Number.isFinite(retryAfterMs)) {
    return retryAfterMs;
  }
  return laterCodes.has(code) && retry !== "never" ? retryAfterMsDefault : undefined;
}

/** Whole seconds for a Retry-After header, never zero, so that nobody retries at once. */
export function retryAfterSeconds(retryAfterMs: number): string {
  return String(Math.max(1, Math.ceil(retryAfterMs / 1000)));
}

/**
 * What a Connect error says, in our terms; the reason comes from its ErrorInfo, else from its code.
 */
export function warmpathErrorFromConnect(error: ConnectError): WarmpathError {
  const code = nameByCode.get(error.code) ?? "unknown";
  const info = error.findDetails(ErrorInfoSchema).find((each) => each.domain === errorDomain);
  const fields: FieldFault[] = error
    .findDetails(BadRequestSchema)
    .flatMap((each) => each.fieldViolations)
    .map(({ field, description }) => ({ field, fault: description }));
  const [retry] = error.findDetails(RetryInfoSchema);
  const delay = retry?.retryDelay;
  const retryAfterMs =
    delay === undefined ? undefined : Number(delay.seconds) * 1000 + delay.nanos / 1e6;
  if (info !== undefined && isReason(info.reason)) {
    const { reason } = info;
    return new WarmpathError(reason, error.rawMessage, { cause: error, retryAfterMs, fields });
  }
  const read = readForeign(code, error.rawMessage);
  return new WarmpathError(read.reason, read.message, {
    cause: error,
    retryAfterMs,
    fields: read.fields ?? fields,
  });
}

registerErrorConverter((thrown) => {
  if (!(thrown instanceof ConnectError)) {
    return undefined;
  }
  // A handler's own error keeps its identity when the framework has wrapped it.
  return thrown.cause instanceof WarmpathError ? thrown.cause : warmpathErrorFromConnect(thrown);
});

interface Reading {
  readonly reason: Reason;
  readonly message: string;
  readonly fields?: readonly FieldFault[];
}

/**
 * Reads errors that the RPC libraries make themselves, whose texts are written for their authors.
 */
function readForeign(code: CodeName, text: string): Reading {
  if (code === "resource_exhausted" && /message size|larger than max/i.test(text)) {
    const limit = /(?:readMaxBytes|vs\.?) (\d+)/.exec(text)?.[1];
    const bound = limit === undefined ? "than accepted" : `than the ${limit} bytes accepted`;
    return { reason: "rejected-too-large", message: `the message is larger ${bound}` };
  }
  const field = /^cannot decode field (\S+) from JSON: (.*)$/s.exec(text);
  if (code === "invalid_argument" && field !== null) {
    const name = jsonName((field[1] ?? "").split(".").at(-1) ?? "");
    const fault = field[2] ?? "";
    const message = `the request is not valid: ${name}: ${fault}`;
    return { reason: "rejected-invalid", message, fields: [{ field: name, fault }] };
  }
  const choice = /^cannot decode enum \S*?(\w+) from JSON: (.*)$/s.exec(text);
  if (code === "invalid_argument" && choice !== null) {
    const message = `the request is not valid: ${choice[2]} is not a value of ${choice[1]}`;
    return { reason: "rejected-invalid", message };
  }
  const body = /^cannot decode message \S+ from JSON: (.*)$/s.exec(text);
  if (code === "invalid_argument" && body !== null) {
    return readBodyFault(body[1] ?? "");
  }
  if (/^parse binary: /.test(text)) {
    const message = "the request is not a valid protobuf message";
    return { reason: "rejected-invalid", message };
  }
  return { reason: reasonForCode(code), message: text };
}

function readBodyFault(text: string): Reading {
  const unknown = /^key "(.*)" is unknown$/s.exec(text)?.[1];
  if (unknown !== undefined) {
    const fields = [{ field: unknown, fault: "unknown field" }];
    const message = `the request is not valid: unknown field "${unknown}"`;
    return { reason: "rejected-invalid", message, fields };
  }
  const syntax = /^JSON Parse error: (.*)$/s.exec(text)?.[1];
  const message =
    syntax === undefined
      ? `the request is not valid: expected an object with its fields, got ${text}`
      : `the request is not valid JSON: ${syntax}`;
  return { reason: "rejected-invalid", message };
}

/** The lowerCamel name under which a proto field appears in JSON. */
function jsonName(protoName: string): string {
  return protoName.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function durationFromMs(ms: number): { seconds: bigint; nanos: number } {
  const whole = Math.floor(ms / 1000);
  return { seconds: BigInt(whole), nanos: Math.round((ms - whole * 1000) * 1e6) };
}
