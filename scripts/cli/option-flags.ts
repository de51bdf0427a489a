import type { Option } from "@warmpath/runtime/base";
import type { Command } from "commander";
import { optionTables } from "../wiring/load-settings.ts";

/** The declared settings that have a flag. */
function flagged(): (Option<unknown> & { readonly flag: string })[] {
  return Object.values(optionTables)
    .flatMap((table): Option<unknown>[] => Object.values(table))
    .filter((each): each is Option<unknown> & { readonly flag: string } => each.flag !== undefined);
}

/** Adds a flag for every setting that has one; its variable is named beside it. */
export function withSettings(command: Command): Command {
  for (const each of flagged()) {
    const value = each.kind === "bool" ? "[value]" : `<${each.kind}>`;
    command.option(`--${each.flag} ${value}`, `${each.doc} (${each.env}${defaultNote(each)})`);
  }
  return command.addHelpText(
    "after",
    "\nFlags win over variables. docs/CONFIG.md lists every variable, those without a flag too.",
  );
}

function defaultNote({ fallback, secret }: Option<unknown>): string {
  const none = fallback === undefined || (Array.isArray(fallback) && fallback.length === 0);
  return none || secret ? "" : `; default ${String(fallback)}`;
}

/** What was given on the command line, by flag name. */
export function givenFlags(command: Command): Record<string, string | boolean | undefined> {
  const values: Record<string, unknown> = command.opts();
  return Object.fromEntries(
    flagged().map(({ flag }) => {
      const value = values[flag.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())];
      return [flag, typeof value === "string" || typeof value === "boolean" ? value : undefined];
    }),
  );
}
