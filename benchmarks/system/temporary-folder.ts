import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder that goes when it is no longer needed, or with the bench, whichever comes first. */
export interface TemporaryFolder {
  readonly path: string;
  remove(): void;
}

/** What was just killed may write for a moment longer. */
const triesMax = 50;
const betweenTriesMs = 20;

/** Makes an empty folder whose name begins with `prefix`. */
export function temporaryFolder(prefix: string): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), prefix));
  // Runs behind the handlers that kill the children: those put themselves in front.
  const onExit = () => {
    // Gone twice in a row: a grandchild that was not killed may make it once more.
    for (let tries = 0, gone = 0; tries < triesMax && gone < 2; tries++) {
      if (tries > 0) Bun.sleepSync(betweenTriesMs);
      gone = existsSync(path) ? 0 : gone + 1;
      try {
        rmSync(path, { recursive: true, force: true });
      } catch {
        // Something was written into it meanwhile: once more.
      }
    }
  };
  process.once("exit", onExit);
  return {
    path,
    remove() {
      rmSync(path, { recursive: true, force: true });
      process.off("exit", onExit);
    },
  };
}
