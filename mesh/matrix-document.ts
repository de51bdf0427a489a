import { callersOf, type Matrix, type RpcRow, readMatrix } from "./service-table.ts";

/** docs/MESH.md: the matrix as tables for people; `note` says that it is generated. */
export function renderMatrixDocument(note: string): string {
  const matrix = readMatrix();
  return `# Mesh\n\n${note}\n
From \`mesh/matrix.yaml\`, whose comments say where each number comes from. Policies, routes, network policies and ports
of the chart are rendered from the same file.

- What is not in these tables is denied. \`ingress\` is the gateway that clients come through; nobody means that no
  service and no client may: operators come by port-forward.
- A stream has no route timeout and no retries. Its caller's deadline bounds it, and what it says: a watched task says
  every 15 s that it lives, and a model stream that is silent for 30 s is ended by the proxy.
- Retries are tries after the first, for: ${matrix.retryOn.replaceAll(",", ", ")}. Nothing
  else is tried again, and nothing at all of what clients ask for.

## Services

${servicesTable(matrix)}

## Methods

${matrix.services.flatMap(({ name, rpcs }) => methodTables(name, rpcs)).join("\n\n")}

### Everywhere

${methodTable(matrix.everywhere)}

## Plain HTTP

${pathsTable(matrix)}

## Waits

What the code waits by itself, by its settings' defaults, and what no route cuts shorter. The chart refuses other values
of these variables that would.

${waitsTable(matrix)}

## Outside

${outsideTable(matrix)}
`;
}

function servicesTable({ services, protocols }: Matrix): string {
  const rows = services.map((row) => [
    row.name,
    `\`<release>-${row.account}\``,
    `${row.http} (${protocols.http}), ${row.grpc} (${protocols.grpc})`,
    list(Object.keys(row.calls)),
    list(Object.keys(row.stores)),
    list(row.egress),
  ]);
  return table(["service", "service account", "ports", "calls", "stores", "outside"], rows);
}

function methodTables(name: string, rpcs: Readonly<Record<string, RpcRow>>): readonly string[] {
  return Object.keys(rpcs).length === 0
    ? [`### ${name}\n\nServes nobody: its work comes from the queue.`]
    : [`### ${name}\n\n${methodTable(rpcs)}`];
}

function methodTable(rpcs: Readonly<Record<string, RpcRow>>): string {
  const rows = Object.entries(rpcs).flatMap(([service, rpc]) =>
    Object.entries(rpc.methods).map(([method, row]) => [
      `\`${service}/${method}\``,
      row.stream === undefined ? "unary" : `${row.stream} stream`,
      row.idempotent ? "yes" : "no",
      row.timeoutSeconds === undefined ? "none" : `${row.timeoutSeconds} s`,
      String(row.retries ?? 0),
      list(callersOf(rpc, method), "nobody"),
    ]),
  );
  return table(["method", "kind", "idempotent", "timeout", "retries", "callers"], rows);
}

function pathsTable({ services }: Matrix): string {
  const rows = services.flatMap(({ name, paths }) =>
    paths.map(({ path, verbs, stream, timeoutSeconds, callers }) => [
      name,
      `${verbs.join(", ")} \`${path}\``,
      stream === true ? "may stream" : "one answer",
      timeoutSeconds === undefined ? "none" : `${timeoutSeconds} s`,
      list(callers, "nobody"),
    ]),
  );
  return table(["service", "path", "kind", "timeout", "callers"], rows);
}

function waitsTable({ waits }: Matrix): string {
  const rows = waits.map(({ service, settings, below }) => [
    service,
    list(Object.entries(settings).map(([variable, ms]) => `\`${variable}\` ${ms} ms`)),
    list(below.map((name) => `\`${name}\``)),
  ]);
  return table(["service", "waits", "below the timeouts of"], rows);
}

function outsideTable({ outside, services }: Matrix): string {
  const rows = Object.entries(outside).map(([name, { ports = {}, rpcs = {} }]) => [
    name,
    list(Object.entries(ports).map(([use, port]) => `${port} (${use})`)),
    list(Object.keys(rpcs).map((service) => `\`${service}\``)),
    list(
      services
        .filter(({ egress, stores }) => egress.includes(name) || name in stores)
        .map((row) => row.name),
    ),
  ]);
  return table(["what", "ports", "services", "who may call it"], rows);
}

function list(items: readonly string[], empty = ""): string {
  return items.length === 0 ? empty : items.join(", ");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}
