// A process that runs cells as they are handed to it, until its parent goes away.

import { messageOf } from "@warmpath/runtime/base";
import type { JobMessage, ResultMessage } from "./messages.ts";
import { createJobRunner } from "./run-job.ts";

if (import.meta.main) {
  const run = createJobRunner(process.argv[2]);
  process.on("disconnect", () => process.exit(0));
  // Ctrl-C reaches the whole group: the parent decides what it means.
  process.on("SIGINT", () => undefined);
  process.on("message", ({ index, job }: JobMessage) => {
    void run(job).then(
      (result) => process.send?.({ index, result } satisfies ResultMessage),
      (error: unknown) =>
        process.send?.({ index, error: messageOf(error) } satisfies ResultMessage),
    );
  });
}
