import { existsSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "../../../scripts/repository.ts";
import type { BuiltImage } from "./builder.ts";

/** Notes one sentence as true or false, with what was found instead. */
export type Check = (sentence: string, isTrue: boolean, found?: string) => void;

const shells = ["bin/sh", "bin/bash", "usr/bin/sh", "usr/bin/bash", "busybox", "usr/bin/env"];

/** Checks what an image says of itself and what lies in it; its size in words. */
export async function checkImage(name: string, image: BuiltImage, check: Check): Promise<string> {
  const { config, rootDir } = image;
  check(`${name} runs as 65532`, config.User === "65532:65532", config.User);
  check(`${name} is stopped by SIGTERM`, config.StopSignal === "SIGTERM", config.StopSignal);
  const entrypoint = config.Entrypoint ?? [];
  // Shell form would have made it ["/bin/sh", "-c", …].
  const isExec = entrypoint.length > 0 && !entrypoint.some((each) => each.endsWith("/sh"));
  check(`${name} has its program as entrypoint`, isExec, entrypoint.join(" "));
  const title = config.Labels?.["org.opencontainers.image.title"] ?? "no title";
  check(`${name} is labelled`, title.startsWith("warmpath"), title);
  const found = shells.filter((path) => existsSync(join(rootDir, path)));
  check(`${name} has no shell`, found.length === 0, found.join(", "));
  const packages = existsSync(join(rootDir, "app/node_modules"));
  check(
    `${name} has no packages and no sources`,
    !packages && (await count(rootDir, "*.ts")) === 0,
  );
  // Whoever takes over a process of it can change nothing of it, even were the root writable.
  const owned = await listed(rootDir, ["-user", "65532"]);
  const wanted = name === "nats" ? ["data"] : [];
  check(`${name} owns only its data`, owned.join() === wanted.join(), owned.join(", "));
  const all = await runCommand(["du", "-s", "-B", "1000000", rootDir]);
  const ours = await runCommand(["du", "-s", "-B", "1000000", join(rootDir, "app")]);
  const megabytes = ({ text }: { text: string }) => `${text.split("\t")[0]} MB`;
  return `${megabytes(all)} unpacked, of which ours ${megabytes(ours)}`;
}

async function count(rootDir: string, pattern: string): Promise<number> {
  return (await listed(join(rootDir, "app"), ["-name", pattern])).length;
}

async function listed(folder: string, tests: readonly string[]): Promise<readonly string[]> {
  const { text } = await runCommand(["find", folder, "-xdev", ...tests, "-printf", "%P\\n"]);
  return text.split("\n").filter((line) => line !== "");
}
