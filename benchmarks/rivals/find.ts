import type { Contender } from "../overhead/contenders.ts";
import type { Rival } from "./rival.ts";

/** A rival that can run, or why it cannot. */
export type FoundRival =
  | { readonly contender: Contender; readonly version: string }
  | { readonly absent: string };

/** Finds a rival, installing it where that is allowed and needed. */
export async function findRival(
  rival: Rival,
  options: { readonly mayInstall: boolean; readonly onProgress: (text: string) => void },
): Promise<FoundRival> {
  const absent = (reason: string) => ({
    absent: `${rival.name}: absent: ${reason} (${rival.source})`,
  });
  try {
    let program = await rival.find();
    if (program === undefined) {
      if (!options.mayInstall) return absent("not installed");
      options.onProgress(`installing ${rival.name}: ${rival.source} …`);
      const startMs = performance.now();
      await rival.install();
      program = await rival.find();
      if (program === undefined) return absent("installed, but it does not start");
      const seconds = ((performance.now() - startMs) / 1000).toFixed(0);
      options.onProgress(`installed ${rival.name} ${program.version} in ${seconds} s`);
    }
    const { name, what } = rival;
    const found = program;
    const contender: Contender = {
      name,
      what: `${what}; ${found.version}`,
      start: (upstreamUrl) => rival.start(found, upstreamUrl),
    };
    return { contender, version: found.version };
  } catch (error) {
    return absent(error instanceof Error ? error.message : String(error));
  }
}
