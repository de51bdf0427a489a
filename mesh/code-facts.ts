import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { CodeFacts, ProtoService } from "./matrix-faults.ts";

const repository = join(import.meta.dir, "..");

/** Code that runs in a service: no tests, no stand-ins, and no page, which runs in a browser. */
const isServing = (path: string) => !/\.test\.tsx?$|\/testing\/|\/console\//.test(path);

/**
 * What the sources of a service say that it serves and calls. Found by text: `router.service(Name`
 * mounts, `createServiceClient(Name` and `ServiceClient<typeof Name>` are clients, and
 * `.method(` of a service it has a client of is a call.
 */
export function codeFactsOf(name: string, protos: readonly ProtoService[]): CodeFacts {
  const folder = join(repository, name, "src");
  const text = [...new Bun.Glob("**/*.ts").scanSync(folder)]
    .filter((path) => isServing(`/${path}`))
    .map((path) => readFileSync(join(folder, path), "utf8"))
    .join("\n");
  const named = (pattern: RegExp) =>
    [...text.matchAll(pattern)].flatMap(([, short]) =>
      protos.filter(({ typeName }) => typeName.endsWith(`.${short}`)),
    );
  const clients = [
    ...named(/createServiceClient\(\s*(\w+)/g),
    ...named(/ServiceClient<typeof (\w+)>/g),
  ];
  const calls = clients.flatMap(({ typeName, methods }) =>
    methods
      .filter((method) => text.includes(`.${lowerFirst(method.name)}(`))
      .map((method) => `${typeName}/${method.name}`),
  );
  return {
    serves: named(/router\.service\(\s*(\w+)/g).map(({ typeName }) => typeName),
    calls: [...new Set(calls)],
  };
}

/** As the generated code spells a method. */
function lowerFirst(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}
