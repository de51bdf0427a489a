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

/** What a bench was asked for. */
export interface AskedSize<Plan> {
  readonly plan: Plan;
  readonly isTiny: boolean;
  readonly json: boolean;
}

/** Reads the flags of a bench that has three sizes and no others; `--help` prints it and ends. */
export function readSize<Plan>(
  command: string,
  help: string,
  plans: { readonly full: Plan; readonly quick: Plan; readonly tiny: Plan },
): AskedSize<Plan> {
  const { values } = readFlags(command, {
    options: {
      quick: { type: "boolean" },
      tiny: { type: "boolean" },
      json: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) {
    process.stdout.write(help);
    process.exit(0);
  }
  const isTiny = values.tiny === true;
  const plan = isTiny ? plans.tiny : values.quick === true ? plans.quick : plans.full;
  return { plan, isTiny, json: values.json === true };
}
