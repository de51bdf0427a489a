/** One instruction of a Dockerfile: its word in capitals, and the rest with lines joined. */
export interface Instruction {
  readonly word: string;
  readonly rest: string;
}

/** One stage: the base it starts from, and what follows. */
export interface Stage {
  readonly base: string;
  readonly name: string;
  readonly instructions: readonly Instruction[];
}

/** The stages of a Dockerfile, with the defaults of global arguments put in. */
export function stagesOf(text: string): readonly Stage[] {
  const stages: { base: string; name: string; instructions: Instruction[] }[] = [];
  const defaults = new Map<string, string>();
  for (const { word, rest } of instructionsOf(text)) {
    const current = stages.at(-1);
    if (word === "FROM") {
      const filled = rest.replace(/\$\{(\w+)\}/g, (_, name: string) => defaults.get(name) ?? "");
      const [base = "", , name = ""] = filled.split(/\s+/);
      stages.push({ base, name, instructions: [] });
    } else if (current !== undefined) {
      current.instructions.push({ word, rest });
    } else if (word === "ARG") {
      const [name = "", value = ""] = rest.split("=");
      defaults.set(name, value);
    }
  }
  return stages;
}

function instructionsOf(text: string): Instruction[] {
  const joined = text
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .join("\n")
    .replace(/\\\n\s*/g, " ");
  return joined.split("\n").flatMap((line) => {
    const match = /^(\w+)\s+(.*)$/.exec(line);
    return match === null ? [] : [{ word: (match[1] ?? "").toUpperCase(), rest: match[2] ?? "" }];
  });
}

/**
 * Faults of the stages that somebody runs (`images`, by name); the others are thrown away. Rules:
 * exact bases, nobody is root, exec form, no step that needs a shell, no secret, labels.
 */
export function faultsOf(text: string, images: readonly string[]): readonly string[] {
  const stages = stagesOf(text);
  const names = stages.map(({ name }) => name);
  const faults = stages
    .filter(
      ({ base }) =>
        !names.includes(base) && !/(:v?\d+\.\d+\.\d+[\w.-]*|@sha256:[0-9a-f]{64})$/.test(base),
    )
    .map(({ name, base }) => `${name} stands on ${base}, which is no exact version`);
  for (const image of images) {
    const stage = stages.find(({ name }) => name === image);
    faults.push(
      ...(stage === undefined ? ["is not there"] : stageFaults(stage)).map(
        (each) => `${image} ${each}`,
      ),
    );
  }
  return faults;
}

function stageFaults({ instructions }: Stage): string[] {
  const last = (word: string) => instructions.findLast((each) => each.word === word)?.rest;
  const faults: string[] = [];
  if (!/^[1-9]\d*:[1-9]\d*$/.test(last("USER") ?? ""))
    faults.push("does not say which user, in numbers");
  if (last("STOPSIGNAL") !== "SIGTERM") faults.push("is not stopped by SIGTERM");
  for (const word of ["ENTRYPOINT", "CMD"]) {
    if (!isExecForm(last(word))) faults.push(`has no ${word} in exec form`);
  }
  for (const label of ["title", "description", "licenses"]) {
    if (!last("LABEL")?.includes(`org.opencontainers.image.${label}=`))
      faults.push(`has no label ${label}`);
  }
  for (const { word, rest } of instructions) {
    if (word === "RUN" || word === "SHELL") faults.push(`runs ${rest}, and its base has no shell`);
    if (word === "ADD") faults.push(`adds ${rest}: COPY unpacks and fetches nothing by surprise`);
    if (word === "COPY" && !rest.startsWith("--from="))
      faults.push(`copies ${rest} past the build`);
    if (/(KEY|TOKEN|PASSWORD|SECRET)\w*=/.test(rest)) faults.push(`holds a secret: ${rest}`);
  }
  return faults;
}

function isExecForm(rest: string | undefined): boolean {
  try {
    const value: unknown = JSON.parse(rest ?? "");
    return Array.isArray(value) && value.every((each) => typeof each === "string");
  } catch {
    // Shell form.
    return false;
  }
}
