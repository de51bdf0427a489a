import { type ParseArgsConfig, parseArgs } from "node:util";
import { messageOf } from "@warmpath/runtime/base";

/** Reads a command's flags; a wrong one ends the process with a line about it, and status 2. */
export function readFlags<Config extends ParseArgsConfig>(
  command: string,
  config: Config,
): ReturnType<typeof parseArgs<Config>> {
  try {
    return parseArgs(config);
  } catch (error) {
    process.stderr.write(`${command}: ${messageOf(error)} (--help lists the flags)\n`);
    process.exit(2);
  }
}
