import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Release of Kubernetes that is built; tools/kubernetes/go.mod pins the same. */
export const kubernetesVersion = "v1.36.3";

/** A program of the control plane, by the name of its file. */
export type Program =
  | "etcd"
  | "kube-apiserver"
  | "kube-controller-manager"
  | "kube-scheduler"
  | "kubectl"
  | "kwok";

/** One Go module of tools/, whose programs are built by one call of `go build`. */
interface ToolModule {
  readonly name: string;
  /** Program to the package it is built from. */
  readonly programs: Readonly<Partial<Record<Program, string>>>;
  readonly ldflags: string;
}

const binDir = join(import.meta.dir, "../.bin");
const toolsDir = join(import.meta.dir, "tools");

// Without a version of its own a server says v0.0.0-master, and clients refuse the comparison.
const stamp = (name: string, value: string) => `-X k8s.io/component-base/version.${name}=${value}`;
const [major = "", minor = ""] = kubernetesVersion.slice(1).split(".");
const kubernetesStamps = [
  stamp("gitVersion", kubernetesVersion),
  stamp("gitMajor", major),
  stamp("gitMinor", minor),
  stamp("gitTreeState", "clean"),
].join(" ");

const modules: readonly ToolModule[] = [
  { name: "etcd", programs: { etcd: "go.etcd.io/etcd/server/v3" }, ldflags: "-s -w" },
  {
    name: "kubernetes",
    programs: {
      "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
      "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
      "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
      kubectl: "k8s.io/kubernetes/cmd/kubectl",
    },
    ldflags: `-s -w ${kubernetesStamps}`,
  },
  { name: "kwok", programs: { kwok: "sigs.k8s.io/kwok/cmd/kwok" }, ldflags: "-s -w" },
];

/** Where a program lies once it is built. */
export function pathOf(program: Program): string {
  return join(binDir, program);
}

/** True when every program is built from the modules as they are now. */
export function areBuilt(): boolean {
  return modules.every(isBuilt);
}

/**
 * Builds what is not built yet from the module cache, or the module proxy where that lacks
 * something: about ten minutes on two cores the first time. A failed build is thrown, with what Go
 * said.
 */
export async function buildAll(go: string, say: (line: string) => void): Promise<void> {
  mkdirSync(binDir, { recursive: true });
  for (const module of modules) {
    if (!isBuilt(module)) {
      await build(module, go, say);
    }
  }
}

async function build(module: ToolModule, go: string, say: (line: string) => void): Promise<void> {
  const startedAtMs = performance.now();
  const names = Object.keys(module.programs);
  say(`building ${names.join(", ")} from Go modules, once …`);
  // One package may be named as it likes; of several, each takes its folder's name.
  const target = names.length === 1 ? join(binDir, names[0] ?? "") : `${binDir}/`;
  const child = Bun.spawn(
    ["nice", "-n", "15", go, "build", "-v", "-trimpath", "-ldflags", module.ldflags].concat(
      ["-o", target],
      Object.values(module.programs),
    ),
    { cwd: join(toolsDir, module.name), stdin: "ignore", stdout: "ignore", stderr: "pipe" },
  );
  // Who stops this command stops the compiler too.
  const stop = () => child.kill();
  process.once("exit", stop);
  const said = await countPackages(child.stderr, say);
  const exitCode = await child.exited;
  process.off("exit", stop);
  const seconds = Math.round((performance.now() - startedAtMs) / 1000);
  if (exitCode !== 0) {
    throw new Error(`building ${names.join(", ")} failed after ${seconds} s: ${said.trim()}`);
  }
  writeFileSync(stampPath(module), recipeOf(module));
  say(`built ${names.join(", ")} in ${seconds} s`);
}

/** Tells of every hundredth package that Go compiles; the last two kilobytes of what it said. */
async function countPackages(
  stderr: ReadableStream<Uint8Array>,
  say: (line: string) => void,
): Promise<string> {
  const decoder = new TextDecoder();
  let said = "";
  let packages = 0;
  for await (const chunk of stderr) {
    const text = decoder.decode(chunk, { stream: true });
    const hundredsBefore = Math.floor(packages / 100);
    packages += text.split("\n").length - 1;
    if (Math.floor(packages / 100) > hundredsBefore) {
      say(`${packages} packages compiled`);
    }
    said = (said + text).slice(-2_000);
  }
  return said;
}

function isBuilt(module: ToolModule): boolean {
  const programs = Object.keys(module.programs).map((name) => join(binDir, name));
  return (
    [...programs, stampPath(module)].every(existsSync) &&
    readFileSync(stampPath(module), "utf8") === recipeOf(module)
  );
}

function stampPath({ name }: ToolModule): string {
  return join(binDir, `control-plane-${name}.recipe`);
}

/** A digest of everything that the programs are built from, so that a new version is built. */
function recipeOf(module: ToolModule): string {
  const hash = createHash("sha256").update(JSON.stringify(module));
  for (const file of ["go.mod", "go.sum"]) {
    hash.update(readFileSync(join(toolsDir, module.name, file)));
  }
  return hash.digest("hex");
}
