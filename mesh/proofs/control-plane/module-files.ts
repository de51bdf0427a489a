import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A published Go module of which only files are read, never code. */
export interface FileModule {
  readonly path: string;
  readonly version: string;
  /** Go's checksum of it, as in a go.sum; another content is refused. */
  readonly sum: string;
  /** Files and folders inside it that are wanted; of a folder, every YAML file. */
  readonly files: readonly string[];
}

/** The definitions of every kind that is not Kubernetes' own, as their projects publish them. */
export const definitionModules: readonly FileModule[] = [
  {
    path: "istio.io/api",
    version: "v1.31.1",
    sum: "h1:5Yb5ihcz4YQsCkciusK7DnFpBMwRB6EFWeUKH1Atuyk=",
    files: ["kubernetes/customresourcedefinitions.gen.yaml"],
  },
  {
    path: "sigs.k8s.io/gateway-api",
    version: "v1.6.3",
    sum: "h1:lKpJa5bGlraC/QeACvCpsHLdmO6y0iKfzVl6gzaFEYc=",
    files: ["config/crd/standard"],
  },
  {
    path: "github.com/kedacore/keda/v2",
    version: "v2.21.0",
    sum: "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps=",
    files: ["config/crd/bases"],
  },
  {
    path: "github.com/prometheus-operator/prometheus-operator",
    version: "v0.92.0",
    sum: "h1:tAbsod3+9sQsxDeAvLP27dAe9terToht5M+YdDwLGP0=",
    files: ["example/prometheus-operator-crd"],
  },
  {
    path: "github.com/cloudnative-pg/cloudnative-pg",
    version: "v1.30.0",
    sum: "h1:fnhVq44xXx97MNiuvJsPrX1vSjYbgdyBK5MSGfdHdp0=",
    files: ["config/crd/bases"],
  },
];

/**
 * How kwok answers for nodes, pods and volumes: its own stages, the quick ones. Same version as in
 * tools/kwok/go.mod.
 */
export const stageModule: FileModule = {
  path: "sigs.k8s.io/kwok",
  version: "v0.8.0",
  sum: "h1:OTIOTwgROqPMovcTwxICx2eYQ4AwLpSx5EpjbDKF4SQ=",
  files: [
    "kustomize/stage/node/fast/node-initialize.yaml",
    "kustomize/stage/node/heartbeat/node-heartbeat.yaml",
    "kustomize/stage/pod/fast/pod-ready.yaml",
    "kustomize/stage/pod/fast/pod-delete.yaml",
    "kustomize/stage/volume/fast/pv-bind.yaml",
    "kustomize/stage/volume/fast/pv-delete.yaml",
    "kustomize/stage/volume/fast/pvc-provision.yaml",
    "kustomize/stage/volume/fast/pvc-delete.yaml",
  ],
};

/**
 * The wanted files of a module, as one YAML stream; fetched into Go's module cache where it is not
 * there. Throws what Go said, and when the content is not what the checksum promises.
 */
export function readModuleFiles(go: string, module: FileModule): string {
  const name = `${module.path}@${module.version}`;
  // Outside of any module; the checksum below says what the public sum database would.
  const { stdout } = Bun.spawnSync([go, "mod", "download", "-json", name], {
    cwd: "/",
    env: { ...process.env, GONOSUMDB: "*" },
  });
  // As `go help mod download` describes.
  const found = JSON.parse(stdout.toString() || "{}") as {
    readonly Dir?: string;
    readonly Sum?: string;
    readonly Error?: string;
  };
  if (found.Dir === undefined) {
    throw new Error(`${name} is not to be had: ${found.Error ?? "go mod download said nothing"}`);
  }
  if (found.Sum !== module.sum) {
    throw new Error(`${name} has the checksum ${found.Sum}, not ${module.sum}`);
  }
  const dir = found.Dir;
  return module.files
    .flatMap((path) => yamlFilesAt(join(dir, path)))
    .map((path) => readFileSync(path, "utf8"))
    .join("\n---\n");
}

function yamlFilesAt(path: string): readonly string[] {
  if (path.endsWith(".yaml")) {
    return [path];
  }
  const isWanted = (name: string) => name.endsWith(".yaml") && name !== "kustomization.yaml";
  return readdirSync(path)
    .filter(isWanted)
    .sort()
    .map((name) => join(path, name));
}
