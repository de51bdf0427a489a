import { readFileSync } from "node:fs";
import { join } from "node:path";

/** One row of services.yaml, whose header explains the columns. */
export interface ServiceRow {
  readonly name: string;
  readonly about: string;
  readonly args: readonly string[];
  readonly http: number;
  readonly grpc: number;
  readonly public: boolean;
  readonly calls: Readonly<Record<string, string>>;
  readonly stores: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
  readonly settings: readonly string[];
}

/** Path of the table. */
export const tablePath = join(import.meta.dir, "services.yaml");

/** The rows of services.yaml. */
export function readServiceTable(): readonly ServiceRow[] {
  // The file is ours, and services.test.ts checks its rows against the code.
  return (Bun.YAML.parse(readFileSync(tablePath, "utf8")) as { services: readonly ServiceRow[] })
    .services;
}

/**
 * Variables a row asks for, by the names of the code: a deployment gives each as NAME, or as
 * NAME_FILE with the path of a file.
 */
export function variablesOf(row: ServiceRow): readonly string[] {
  return [
    ...Object.values(row.calls),
    ...Object.values(row.stores),
    ...Object.values(row.secrets),
    ...row.settings,
  ].sort();
}
