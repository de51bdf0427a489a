import { type KubeObject, toYaml } from "../kube-object.ts";
import { pathOf } from "./binaries.ts";

/** What a call of kubectl came to. */
export interface KubectlResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The client of one API server. */
export class Kubectl {
  readonly kubeconfig: string;

  /** `kubeconfig` is the path of the file that says where the server is. */
  constructor(kubeconfig: string) {
    this.kubeconfig = kubeconfig;
  }

  /** Runs kubectl with `input` as its stdin. */
  async run(args: readonly string[], input = ""): Promise<KubectlResult> {
    const child = Bun.spawn([pathOf("kubectl"), "--kubeconfig", this.kubeconfig, ...args], {
      stdin: new Blob([input]),
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr, exitCode] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { exitCode, stdout, stderr };
  }

  /** Runs kubectl; throws what it said when it fails. */
  async must(args: readonly string[], input = ""): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(args, input);
    if (exitCode !== 0) {
      throw new Error(`kubectl ${args.join(" ")}: ${stderr.trim() || stdout.trim()}`);
    }
    return stdout;
  }

  /**
   * Server-side apply with strict field validation: a field that the server does not know is an
   * error and no warning.
   */
  apply(yaml: string, ...flags: readonly string[]): Promise<KubectlResult> {
    return this.run(["apply", "--server-side", "--validate=strict", ...flags, "-f", "-"], yaml);
  }

  /** Server-side apply of what must be taken. */
  async mustApply(objects: string | readonly object[], ...flags: readonly string[]): Promise<void> {
    const yaml = typeof objects === "string" ? objects : toYaml(objects);
    const { exitCode, stderr } = await this.apply(yaml, ...flags);
    if (exitCode !== 0) {
      throw new Error(`kubectl apply: ${stderr.trim()}`);
    }
  }

  /** The objects that `kubectl get <args>` finds. */
  async list(...args: readonly string[]): Promise<readonly KubeObject[]> {
    const text = await this.must(["get", ...args, "-o", "json"]);
    // A list, or the one object that was named.
    const found = JSON.parse(text) as KubeObject | { readonly items: readonly KubeObject[] };
    return "items" in found && Array.isArray(found.items) ? found.items : [found as KubeObject];
  }

  /** Asks for a pod's eviction as `kubectl drain` does, once, and gives back the answer. */
  evict(namespace: string, pod: string): Promise<KubectlResult> {
    const body = {
      apiVersion: "policy/v1",
      kind: "Eviction",
      metadata: { name: pod, namespace },
    };
    const url = `/api/v1/namespaces/${namespace}/pods/${pod}/eviction`;
    return this.run(["create", "--raw", url, "-f", "-"], JSON.stringify(body));
  }
}
