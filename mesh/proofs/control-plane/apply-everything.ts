// Every value file, applied for real with the definitions of every project that it names.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { toYaml } from "../kube-object.ts";
import { assert, at, type Check, type Lab, makeNamespace } from "./lab.ts";
import { until } from "./processes.ts";
import { installationNames, namespacesOf, renderObjects } from "./rendered.ts";

/** One check for each installation of the chart, and for values that no value file has. */
export function applyChecks(): readonly Check[] {
  return installationNames().map((name) => ({
    name: `${name}: everything is taken, again changes nothing, and every pod meets the restricted standard`,
    run: (lab) => applyAll(lab, name),
  }));
}

/** The example of a second scheduler, which is no part of the chart. */
export const schedulerCheck: Check = {
  name: "scheduler/second-scheduler.yaml is taken, and its pods meet the restricted standard",
  run: applyScheduler,
};

async function applyScheduler({ kubectl }: Lab): Promise<void> {
  // The file names its namespace itself.
  const namespace = "warmpath";
  await makeNamespace(kubectl, namespace);
  await kubectl.mustApply(readExample("scheduler/second-scheduler.yaml"));
  await until(
    () => "both pods of the scheduler are made",
    30_000,
    async () => (await kubectl.list("pods", "-n", namespace)).length === 2,
  );
  await kubectl.must(["delete", "namespace", namespace, "--wait=false"]);
}

function readExample(path: string): string {
  return readFileSync(join(import.meta.dir, "../..", path), "utf8");
}

/** The example of the database, whose operator's definitions are there too. */
export const postgresCheck: Check = {
  name: "stores/postgres.yaml is taken, and with a misspelt field it is not",
  run: applyPostgres,
};

async function applyPostgres({ kubectl }: Lab): Promise<void> {
  const namespace = "databases";
  const yaml = readExample("stores/postgres.yaml");
  await makeNamespace(kubectl, namespace);
  await kubectl.mustApply(yaml, "--namespace", namespace);
  const misspelt = yaml.replace("poolMode:", "poolmode:");
  assert(misspelt !== yaml, "there is no poolMode to misspell");
  const { stderr } = await kubectl.apply(misspelt, "--dry-run=server", "--namespace", namespace);
  assert(/poolmode: field not declared in schema/.test(stderr), `not refused: ${stderr.trim()}`);
}

async function applyAll({ kubectl }: Lab, name: string): Promise<void> {
  // values-a.yaml + values-b.yaml is installed in apply-a-b.
  const files = [...name.matchAll(/([a-z-]+)\.yaml/g)].map(([, file = ""]) => file);
  const namespace = ["apply", ...files.map((file) => file.replace("values-", ""))].join("-");
  const objects = renderObjects(name, namespace);
  await makeNamespace(kubectl, namespace);
  for (const other of namespacesOf(objects)) {
    if (other !== namespace) {
      await kubectl.must(["create", "namespace", other]).catch(ignoreExisting);
    }
  }
  const yaml = toYaml(objects);
  await kubectl.mustApply(yaml, "--namespace", namespace);
  const diff = ["diff", "--server-side", "--namespace", namespace, "-f", "-"];
  const again = await kubectl.run(diff, yaml);
  assert(again.exitCode === 0, `applied again it changes: ${again.stdout}${again.stderr}`);
  const workloads = objects.filter(({ kind }) => kind === "Deployment" || kind === "StatefulSet");
  const wanted = workloads.reduce(
    (sum, each) => sum + Number(at(each, "spec", "replicas") ?? 1),
    0,
  );
  let made = 0;
  await until(
    () => `${wanted} pods are made in ${namespace}, ${made} were`,
    30_000,
    async () => {
      made = (await kubectl.list("pods", "-n", namespace)).length;
      return made >= wanted;
    },
  );
  // The next value file may give a class another value, and that cannot be changed.
  await kubectl.must(["delete", "priorityclass", "-l", "app.kubernetes.io/part-of=warmpath"]);
  await kubectl.must(["delete", "namespace", namespace, "--wait=false"]);
}

function ignoreExisting(error: unknown): void {
  if (!String(error).includes("AlreadyExists")) {
    throw error;
  }
}
