import { shapeFaults } from "./matrix-shape.ts";
import { callersOf, ingressCaller, type Matrix, type MethodRow } from "./service-table.ts";

/** What is known of a proto service from its generated descriptor, by the names used there. */
export interface ProtoService {
  readonly typeName: string;
  readonly methods: readonly {
    readonly name: string;
    readonly methodKind: "unary" | "server_streaming" | "client_streaming" | "bidi_streaming";
    /** MethodOptions.IdempotencyLevel: 0 unknown, 1 no side effects, 2 idempotent. */
    readonly idempotency: number;
  }[];
}

/** What the code says of one service of the matrix. */
export interface CodeFacts {
  /** Type names of the proto services it mounts. */
  readonly serves: readonly string[];
  /** Methods of other services that it calls, as `Service/Method` with the type name. */
  readonly calls: readonly string[];
}

const noSideEffects = 1;
const idempotent = 2;

/** Every disagreement of the matrix with the proto files, the code, and its own rules; none: []. */
export function matrixFaults(
  matrix: Matrix,
  protos: readonly ProtoService[],
  code: Readonly<Record<string, CodeFacts>>,
): readonly string[] {
  return [
    ...shapeFaults(matrix),
    ...methodFaults(matrix, protos),
    ...callerFaults(matrix, code),
    ...pathFaults(matrix),
    ...egressFaults(matrix),
    ...outsideFaults(matrix, code),
  ];
}

/** The matrix's rows of every proto service, by type name, and where each stands. */
function listed(matrix: Matrix) {
  const outside = Object.values(matrix.outside).map(({ rpcs = {} }) => rpcs);
  const rpcs = [matrix.everywhere, ...matrix.services.map((row) => row.rpcs), ...outside];
  return new Map(rpcs.flatMap((each) => Object.entries(each)));
}

function methodFaults(matrix: Matrix, protos: readonly ProtoService[]): readonly string[] {
  const faults: string[] = [];
  const rows = listed(matrix);
  for (const name of rows.keys()) {
    if (!protos.some(({ typeName }) => typeName === name)) {
      faults.push(`${name}: no proto file has this service`);
    }
  }
  for (const { typeName, methods } of protos) {
    const row = rows.get(typeName);
    if (row === undefined) {
      faults.push(`${typeName}: the matrix does not list this service`);
      continue;
    }
    for (const name of Object.keys(row.methods)) {
      if (!methods.some((method) => method.name === name)) {
        faults.push(`${typeName}/${name}: no proto file has this method`);
      }
    }
    for (const method of methods) {
      const listedMethod = row.methods[method.name];
      const sentences =
        listedMethod === undefined
          ? ["the matrix does not list this method"]
          : oneMethodFaults(listedMethod, method);
      faults.push(...sentences.map((sentence) => `${typeName}/${method.name}: ${sentence}`));
    }
  }
  return faults;
}

function oneMethodFaults(
  row: MethodRow,
  { methodKind, idempotency }: ProtoService["methods"][number],
): readonly string[] {
  const streams = { unary: undefined, server_streaming: "server" as const };
  const stream = methodKind in streams ? streams[methodKind as keyof typeof streams] : "bidi";
  const faults: string[] = [];
  if (row.stream !== stream) {
    faults.push(`stream is ${row.stream}, and ${stream} by the proto file`);
  }
  const isIdempotent = idempotency === noSideEffects || idempotency === idempotent;
  if (row.idempotent !== isIdempotent) {
    faults.push(`idempotent is ${row.idempotent}, and ${isIdempotent} by the proto file`);
  }
  if (stream === undefined && !((row.timeoutSeconds ?? 0) > 0)) {
    faults.push("a unary method needs a timeout");
  }
  if (stream !== undefined && (row.timeoutSeconds ?? 0) > 0) {
    faults.push("a stream has no route timeout");
  }
  if ((row.retries ?? 0) > 0 && (stream !== undefined || idempotency !== noSideEffects)) {
    faults.push("retries are for unary methods without side effects");
  }
  return faults;
}

function callerFaults(matrix: Matrix, code: Readonly<Record<string, CodeFacts>>): string[] {
  const faults: string[] = [];
  const names = matrix.services.map(({ name }) => name);
  const allowed = new Map(names.map((name) => [name, new Set<string>()]));
  for (const row of matrix.services) {
    const serves = code[row.name]?.serves ?? [];
    for (const [service, rpc] of Object.entries(row.rpcs)) {
      if (!serves.includes(service)) faults.push(`${row.name}: its code does not serve ${service}`);
      for (const [method, { retries = 0 }] of Object.entries(rpc.methods)) {
        if (retries > 0 && !callersOf(rpc, method).some((caller) => names.includes(caller))) {
          faults.push(`${service}/${method}: retries, and no service calls it`);
        }
        for (const caller of callersOf(rpc, method)) {
          if (caller === ingressCaller && !row.public) {
            faults.push(`${service}/${method}: ${row.name} is not public, and ingress may call it`);
          } else if (caller !== ingressCaller && !names.includes(caller)) {
            faults.push(`${service}/${method}: there is no caller ${caller}`);
          }
          allowed.get(caller)?.add(`${service}/${method}`);
        }
      }
    }
    for (const service of serves.filter((each) => !(each in row.rpcs))) {
      faults.push(`${row.name}: its code serves ${service}, and the matrix does not say so`);
    }
  }
  for (const row of matrix.services) {
    faults.push(...oneCallerFaults(matrix, row.name, allowed.get(row.name), code[row.name]));
  }
  return faults;
}

/** Both ways: nothing is called that is not allowed, and nothing is allowed that is not called. */
function oneCallerFaults(
  matrix: Matrix,
  name: string,
  allowed: ReadonlySet<string> = new Set(),
  { calls }: CodeFacts = { serves: [], calls: [] },
): readonly string[] {
  const outside = Object.values(matrix.outside).flatMap(({ rpcs = {} }) => Object.keys(rpcs));
  const inMesh = calls.filter((call) => !outside.includes(call.split("/")[0] ?? ""));
  const row = matrix.services.find((each) => each.name === name);
  const callees = matrix.services
    .filter(({ rpcs }) => [...allowed].some((call) => (call.split("/")[0] ?? "") in rpcs))
    .map((each) => each.name);
  return [
    ...inMesh
      .filter((call) => !allowed.has(call))
      .map((call) => `${name} calls ${call}, and the matrix forbids it`),
    ...[...allowed]
      .filter((call) => !calls.includes(call))
      .map((call) => `${name} may call ${call}, and its code never does`),
    ...callees
      .filter((callee) => !(callee in (row?.calls ?? {})))
      .map((callee) => `${name} may call ${callee}, whose address it is not given`),
  ];
}

function pathFaults(matrix: Matrix): readonly string[] {
  const faults: string[] = [];
  for (const { name, paths, public: isPublic } of matrix.services) {
    for (const { path, callers, stream = false, timeoutSeconds = 0 } of paths) {
      if (stream === timeoutSeconds > 0) {
        faults.push(`${name} ${path}: either it may stream or it has a timeout`);
      }
      if (callers.includes(ingressCaller) && !isPublic) {
        faults.push(`${name} ${path}: ${name} is not public, and ingress may call it`);
      }
    }
  }
  return faults;
}

function egressFaults({ services, outside }: Matrix): readonly string[] {
  return services.flatMap(({ name, egress, stores }) =>
    [...egress, ...Object.keys(stores)]
      .filter((each) => !(each in outside))
      .map((each) => `${name}: nothing outside is called ${each}`),
  );
}

/** Both ways: who calls an RPC outside names it as egress, and who names it calls it. */
function outsideFaults(
  { services, outside }: Matrix,
  code: Readonly<Record<string, CodeFacts>>,
): readonly string[] {
  const rpcsOutside = Object.entries(outside).filter(([, { rpcs }]) => rpcs !== undefined);
  return services.flatMap(({ name, egress }) =>
    rpcsOutside.flatMap(([what, { rpcs = {} }]) => {
      const calls = code[name]?.calls ?? [];
      const isCalled = calls.some((call) => (call.split("/")[0] ?? "") in rpcs);
      if (isCalled === egress.includes(what)) return [];
      return isCalled
        ? [`${name} calls ${what}, and has no way out to it`]
        : [`${name} may go out to ${what}, and its code never calls it`];
    }),
  );
}
