/** An object of the Kubernetes API; what is below `spec` and `status` is each reader's matter. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

/** The objects of what `helm template` wrote; an empty template leaves a null, which is none. */
export function parseObjects(text: string): readonly KubeObject[] {
  const documents: unknown = Bun.YAML.parse(text);
  // Each document is an object of the Kubernetes API; who reads one looks at every field it uses.
  return (Array.isArray(documents) ? documents : [documents]).filter(Boolean) as KubeObject[];
}

/** Objects as the YAML stream that Kubernetes' readers take; JSON is YAML. */
export function toYaml(objects: readonly unknown[]): string {
  return objects.map((each) => JSON.stringify(each)).join("\n---\n");
}
