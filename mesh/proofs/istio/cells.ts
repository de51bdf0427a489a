import {
  callersOf,
  type MethodRow,
  type PathRow,
  type RpcRow,
  readMatrix,
  type ServiceRow,
} from "../../service-table.ts";

/** One method or path of a service as the Go side reads it: nothing is left to inherit. */
export interface Cell {
  readonly server: string;
  /** What a call asks for; one that ends in * is a prefix. */
  readonly path: string;
  /** Served on both ports by POST; otherwise on the http port only. */
  readonly isRpc: boolean;
  readonly verbs: readonly string[];
  readonly isStream: boolean;
  /** 0 for a stream, which has none. */
  readonly timeoutSeconds: number;
  readonly retries: number;
  readonly callers: readonly string[];
}

/** matrix.yaml, flattened. */
export interface FlatMatrix {
  readonly rows: readonly Row[];
  readonly cells: readonly Cell[];
  /** What retries are for, in Envoy's words. */
  readonly retryOn: string;
  /** Ports of what the rows call outside the table, by its names. */
  readonly outside: Readonly<Record<string, readonly number[]>>;
}

/** A host outside the table: by what name the rows ask for it, and where the values say it is. */
export interface Destination {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

interface Egress {
  readonly stores: Readonly<Record<string, { readonly host: string; readonly port?: number }>>;
  readonly providers?: readonly { readonly host: string; readonly port: number }[];
  readonly tools?: readonly { readonly host: string; readonly port: number }[];
  readonly modelHub?: readonly string[];
}

/** What a values file says of the hosts outside; `storePorts` stands in where it gives no port. */
export function destinationsOf(
  values: {
    readonly egress: Egress;
    readonly otlpUrl?: string;
    readonly upstreams?: { readonly urls?: readonly string[] };
  },
  storePorts: Readonly<Record<string, readonly number[]>>,
): readonly Destination[] {
  const { stores, providers = [], tools = [], modelHub = [] } = values.egress;
  const otlp = values.otlpUrl === undefined ? [] : [new URL(values.otlpUrl)];
  // Far engines, over TLS; those of the cluster are looked at pod by pod.
  const engines = (values.upstreams?.urls ?? [])
    .map((url) => new URL(url))
    .filter(({ protocol }) => protocol === "https:");
  return [
    ...Object.entries(stores).map(([name, { host, port }]) => ({
      name,
      host,
      port: port ?? storePorts[name]?.[0] ?? 0,
    })),
    ...providers.map(({ host, port }) => ({ name: "providers", host, port })),
    ...tools.map(({ host, port }) => ({ name: "tools", host, port })),
    ...engines.map(({ hostname, port }) => ({
      name: "engines",
      host: hostname,
      port: Number(port || 443),
    })),
    ...modelHub.map((host) => ({ name: "modelHub", host, port: 443 })),
    ...otlp.map(({ hostname, port }) => ({ name: "otlp", host: hostname, port: Number(port) })),
  ];
}

interface Row {
  readonly name: string;
  readonly account: string;
  readonly http: number;
  readonly grpc: number;
  readonly calls: readonly string[];
  readonly stores: readonly string[];
  readonly egress: readonly string[];
}

/** Reads mesh/matrix.yaml; every service serves what is listed under "everywhere" too. */
export function flattenMatrix(): FlatMatrix {
  const matrix = readMatrix();
  return {
    retryOn: matrix.retryOn,
    rows: matrix.services.map(rowOf),
    cells: matrix.services.flatMap((service) => [
      ...rpcCells(service.name, { ...service.rpcs, ...matrix.everywhere }),
      ...service.paths.map((row) => ({
        ...boundsOf(row),
        server: service.name,
        path: row.path,
        isRpc: false,
        verbs: row.verbs,
        callers: row.callers,
      })),
    ]),
    outside: Object.fromEntries(
      Object.entries(matrix.outside).map(([name, { ports }]) => [name, Object.values(ports ?? {})]),
    ),
  };
}

function rowOf({ name, account, http, grpc, calls, stores, egress }: ServiceRow): Row {
  return {
    name,
    account,
    http,
    grpc,
    calls: Object.keys(calls),
    stores: Object.keys(stores),
    egress,
  };
}

function rpcCells(server: string, rpcs: Readonly<Record<string, RpcRow>>): Cell[] {
  return Object.entries(rpcs).flatMap(([service, rpc]) =>
    Object.entries(rpc.methods).map(([name, method]) => ({
      ...boundsOf(method),
      server,
      path: `/${service}/${name}`,
      isRpc: true,
      verbs: ["POST"],
      callers: callersOf(rpc, name),
    })),
  );
}

function boundsOf(row: MethodRow | PathRow) {
  return {
    isStream: row.stream !== undefined && row.stream !== false,
    timeoutSeconds: row.timeoutSeconds ?? 0,
    retries: "retries" in row ? (row.retries ?? 0) : 0,
  };
}
