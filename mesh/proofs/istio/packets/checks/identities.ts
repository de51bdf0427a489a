/** The matrix on packets: who comes with which certificate gets in where. */
import { join } from "node:path";
import { type Cell, flattenMatrix } from "../../cells.ts";
import { denial, type Knock, type Knocked } from "../agent-protocol.ts";
import { impostors, others, services } from "../scene.ts";
import { type Check, type Stage, unless } from "./check.ts";
import { addressOf } from "./tasks.ts";

/** Each identity by the pod that has it, with its name in the matrix; undefined: nobody there. */
const identities: readonly (readonly [pod: string, caller: string | undefined])[] = [
  ...Object.values(services).map(({ pod }) => [pod, pod] as const),
  [others.ingress, "ingress"],
  [others.stranger, undefined],
  ...Object.keys(impostors).map((name) => [name, undefined] as const),
];

const otherMesh: keyof typeof impostors = "other-mesh";

interface Door {
  readonly cell: Cell;
  readonly port: number;
}

/** Every method on both ports, and every path on the one that has it. */
function doorsOf(server: string): readonly Door[] {
  const { rows, cells } = flattenMatrix();
  const row = rows.find(({ name }) => name === server);
  return cells
    .filter((cell) => cell.server === server)
    .flatMap((cell) =>
      (cell.isRpc ? [row?.grpc ?? 0, row?.http ?? 0] : [row?.http ?? 0]).map((port) => ({
        cell,
        port,
      })),
    );
}

/** Clients outside come to both ports, services to the gRPC port alone. */
function mayEnter({ cell, port }: Door, caller: string | undefined): boolean {
  const isGrpcPort = flattenMatrix().rows.some(({ grpc }) => grpc === port);
  const isOnPort = caller === "ingress" || isGrpcPort;
  return caller !== undefined && cell.callers.includes(caller) && isOnPort;
}

function knockAt({ path, verbs, isRpc }: Cell): Knock {
  return { path: path.replace(/\*$/, "x"), verb: verbs[0] ?? "POST", isRpc };
}

async function faultsOf({ rig }: Stage, server: string): Promise<readonly string[]> {
  const faults: string[] = [];
  const ip = addressOf(rig.options.pods, server);
  const doors = doorsOf(server);
  for (const port of new Set(doors.map((door) => door.port))) {
    const here = doors.filter((door) => door.port === port);
    for (const [pod, caller] of identities) {
      const answers = await rig.ask<readonly Knocked[]>(others.client, {
        op: "knock",
        url: `https://${ip}:${port}`,
        certificate: join(rig.dir, `crt-${pod}.pem`),
        key: join(rig.dir, `key-${pod}.pem`),
        knocks: here.map(({ cell }) => knockAt(cell)),
      });
      here.forEach((door, index) => {
        const { isDenied = true, text = "no answer" } = answers[index] ?? {};
        const wanted = mayEnter(door, caller);
        const what = `${pod} at ${door.cell.path} on ${port}`;
        faults.push(
          ...unless(isDenied !== wanted, `${what} was ${isDenied ? "denied" : "let in"}: ${text}`),
          // A server that is down denies everybody. Another mesh's certificate may be cut off.
          ...unless(
            !isDenied || pod === otherMesh || text.includes(denial),
            `${what} was denied by nobody: ${text}`,
          ),
        );
      });
    }
  }
  return faults;
}

export const identityChecks: readonly Check[] = Object.values(services).map(({ pod }) => ({
  title: `${pod} lets in whom the matrix names, method by method, and nobody else`,
  run: (stage) => faultsOf(stage, pod),
}));
