import { readFileSync } from "node:fs";
import { join } from "node:path";

/** What the matrix says of one RPC; its header explains the columns. */
export interface MethodRow {
  readonly stream?: "server" | "bidi";
  readonly idempotent: boolean;
  /** Of the route, in seconds; unary methods only. */
  readonly timeoutSeconds?: number;
  /** Tries after the first; unary methods only. */
  readonly retries?: number;
  /** Instead of the service's. */
  readonly callers?: readonly string[];
}

/** What the matrix says of one proto service. */
export interface RpcRow {
  readonly callers: readonly string[];
  readonly methods: Readonly<Record<string, MethodRow>>;
}

/** What the matrix says of one plain HTTP path; one that ends in `*` is a prefix. */
export interface PathRow {
  readonly path: string;
  readonly verbs: readonly string[];
  readonly callers: readonly string[];
  readonly stream?: boolean;
  readonly timeoutSeconds?: number;
}

/** One service of matrix.yaml, whose header explains the columns. */
export interface ServiceRow {
  readonly name: string;
  readonly account: string;
  readonly about: string;
  readonly args: readonly string[];
  readonly http: number;
  readonly grpc: number;
  readonly public: boolean;
  readonly calls: Readonly<Record<string, string>>;
  readonly stores: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
  readonly settings: readonly string[];
  /** Further settings, empty where there is nothing to say. */
  readonly optional?: readonly string[];
  /** Files of keys that an optional setting names itself. */
  readonly keys?: readonly string[];
  readonly egress: readonly string[];
  readonly rpcs: Readonly<Record<string, RpcRow>>;
  readonly paths: readonly PathRow[];
}

/** What services call that is none of them. */
export interface OutsideRow {
  readonly ports?: Readonly<Record<string, number>>;
  readonly rpcs?: Readonly<Record<string, Pick<RpcRow, "methods">>>;
}

/** How long the code of a service waits by itself; the header of `waits` explains it. */
export interface WaitRow {
  readonly service: string;
  /** Variables and their defaults, in ms. */
  readonly settings: Readonly<Record<string, number>>;
  readonly below: readonly string[];
}

/** The whole of matrix.yaml. */
export interface Matrix {
  /** What listed retries are for, in Envoy's words. */
  readonly retryOn: string;
  readonly protocols: Readonly<Record<"http" | "grpc", string>>;
  readonly services: readonly ServiceRow[];
  readonly everywhere: Readonly<Record<string, RpcRow>>;
  readonly waits: readonly WaitRow[];
  readonly outside: Readonly<Record<string, OutsideRow>>;
}

/** Path of the matrix. */
export const tablePath = join(import.meta.dir, "matrix.yaml");

/** Who comes from outside through the ingress gateway, among the callers. */
export const ingressCaller = "ingress";

/** The whole matrix. */
export function readMatrix(): Matrix {
  // The file is ours, and matrix.test.ts checks it against the code.
  return Bun.YAML.parse(readFileSync(tablePath, "utf8")) as Matrix;
}

/** The services of the matrix. */
export function readServiceTable(): readonly ServiceRow[] {
  return readMatrix().services;
}

/** Who may call a method. */
export function callersOf(rpc: RpcRow, method: string): readonly string[] {
  return rpc.methods[method]?.callers ?? rpc.callers;
}

/**
 * Variables a row cannot do without, by the names of the code: a deployment gives each as NAME, or
 * as NAME_FILE with the path of a file.
 */
export function variablesOf(row: ServiceRow): readonly string[] {
  return [
    ...Object.values(row.calls),
    ...Object.values(row.stores),
    ...Object.values(row.secrets),
    ...row.settings,
  ].sort();
}
