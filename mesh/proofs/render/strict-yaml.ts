// biome-ignore lint/correctness/noUndeclaredDependencies: of the tools in the root's package.json
import { parseAllDocuments } from "yaml";

/**
 * What a strict reader of YAML 1.2 refuses in a text, above all a key that a mapping has twice:
 * most readers take the last of the two and say nothing. One sentence each, with its line.
 */
export function yamlFaults(text: string): readonly string[] {
  const documents = parseAllDocuments(text, { strict: true, uniqueKeys: true, logLevel: "silent" });
  // A text without a document has nothing twice.
  return (Array.isArray(documents) ? documents : []).flatMap(({ errors, warnings }) =>
    [...errors, ...warnings].map(({ message }) => message.replaceAll(/\s+/g, " ").trim()),
  );
}
