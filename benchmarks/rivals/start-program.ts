import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { contenderCore, type StartedContender } from "../overhead/contenders.ts";
import { freePort } from "../system/free-port.ts";
import { spawnBackground } from "../system/spawn-process.ts";
import { temporaryFolder } from "../system/temporary-folder.ts";

/** What to run once a port and a folder of its own are known. */
export interface ProgramStart {
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Headers that a caller has to send. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A free port, a folder for this one run, and the configurations of this repository. */
export interface ProgramPlace {
  readonly port: number;
  readonly folder: string;
  /** Writes `config/<name>` into the folder with its `@NAMES@` filled in; returns its path. */
  config(name: string, values: Readonly<Record<string, string>>): string;
}

const readyMsMax = 180_000;
const configFolder = join(import.meta.dir, "config");

// The program gets a session of its own, so that its workers can be stopped with it by one id.
// Reading to the end of the input is waiting for the bench to close the pipe, or to die.
const shell = `
exec 3<&0
setsid "$@" </dev/null 3<&- &
program=$!
(
  cat <&3 >/dev/null
  kill -s TERM -- "-$program" 2>/dev/null
  for wait in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    kill -0 "$program" 2>/dev/null || exit 0
    sleep 0.2
  done
  kill -s KILL -- "-$program" 2>/dev/null
) &
wait "$program"
kill -s KILL -- "-$program" 2>/dev/null
exit 0
`;

/** A command that ends with its workers when its standard input closes. */
export function supervised(command: readonly string[]): readonly string[] {
  return ["/bin/sh", "-c", shell, "sh", ...command];
}

/** Starts a program on the contender's core and waits until it answers a chat request. */
export async function startProgram(
  name: string,
  prepare: (place: ProgramPlace) => ProgramStart,
): Promise<StartedContender> {
  const temporary = temporaryFolder(`warmpath-bench-${name}-`);
  const folder = temporary.path;
  const port = await freePort();
  const config = (file: string, values: Readonly<Record<string, string>>) => {
    const template = readFileSync(join(configFolder, file), "utf8");
    const text = template.replace(/@([A-Z_]+)@/g, (_, key: string) => {
      const value = { PORT: String(port), FOLDER: folder, ...values }[key];
      if (value === undefined) throw new Error(`${file}: nothing is known for @${key}@`);
      return value;
    });
    const path = join(folder, file);
    writeFileSync(path, text);
    return path;
  };
  const { command, env, headers = {} } = prepare({ port, folder, config });
  const child = spawnBackground({
    command: supervised(command),
    core: contenderCore,
    env: { ...env, HOME: folder, TMPDIR: folder },
  });
  const stop = async () => {
    await child.stop(8_000);
    temporary.remove();
  };
  const url = `http://127.0.0.1:${port}`;
  try {
    await untilAnswers(url, headers, child.ended);
  } catch (cause) {
    await stop();
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${name} did not get ready: ${why}; it said: ${child.said().slice(-600)}`, {
      cause,
    });
  }
  return { url, headers, pid: child.pid, stop };
}

async function untilAnswers(
  url: string,
  headers: Readonly<Record<string, string>>,
  ended: () => boolean,
): Promise<void> {
  const deadlineMs = performance.now() + readyMsMax;
  let last = "nobody listened";
  while (performance.now() < deadlineMs) {
    if (ended()) throw new Error("it ended");
    try {
      const response = await fetch(`${url}/v1/chat/completions`, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json" },
        body: JSON.stringify({ model: "mock", messages: [{ role: "user", content: "Ready?" }] }),
        signal: AbortSignal.timeout(5_000),
      });
      const text = await response.text();
      if (response.status === 200 && text.includes("A constant answer")) return;
      last = `${response.status} ${text.slice(0, 200)}`;
    } catch {
      // Nobody listens yet, or not for long enough.
    }
    await Bun.sleep(100);
  }
  throw new Error(last);
}
