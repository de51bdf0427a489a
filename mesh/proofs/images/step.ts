// The level `images`: the Dockerfile builds, and what it makes starts from its own root, answers,
// runs a task from end to end, and drains when it is told to stop.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { root, runCommand } from "../../../scripts/repository.ts";
import { isRoot } from "../../../scripts/test-servers/supervise.ts";
import { stagesOf } from "../../images/lint.ts";
import type { ProofStep } from "../step.ts";
import { openBuilder } from "./builder.ts";
import { checkImage } from "./check-image.ts";
import { runSystem } from "./run-system.ts";
import { makeStandIns, npmCache } from "./stand-ins.ts";

const programs = ["buildah", "unshare", "nsenter", "setpriv", "ldd", "node", "npm"];

/** Proof that the images are what the deployment takes them for. */
export const imagesStep: ProofStep = {
  name: "images",
  proves: "the images build, start read-only as nobody, answer their probes, run a task and drain",
  missing() {
    const absent = programs.filter((name) => Bun.which(name) === null);
    if (absent.length > 0) {
      return `no ${absent.join(", ")} on PATH: Debian's packages buildah, util-linux and libc-bin have them`;
    }
    return isRoot ? undefined : "only root can mount an image and start from its root";
  },
  async run(say) {
    const passed: string[] = [];
    const failures: string[] = [];
    const check = (sentence: string, isTrue: boolean, found = "") => {
      if (isTrue) passed.push(sentence);
      else failures.push(found === "" ? sentence : `${sentence}: ${found}`);
    };
    const builder = await openBuilder();
    try {
      say("making the bases of this machine's own programs");
      await makeStandIns(builder, await baseNames());
      const cache = await runCommand(["npm", "config", "get", "cache"]);
      const folder = cache.text.trim();
      const volumes = existsSync(folder) ? [`${folder}:${npmCache}`] : [];
      const images = [];
      for (const target of ["nats", "warmpath"]) {
        const startedAtMs = performance.now();
        const image = await builder.build(target, volumes);
        const seconds = Math.round((performance.now() - startedAtMs) / 1000);
        const size = await checkImage(target, image, check);
        say(`built ${target} in ${seconds} s: ${size}`);
        images.push(image);
      }
      const [nats, warmpath] = images;
      if (nats !== undefined && warmpath !== undefined) {
        await runSystem({ nats, warmpath, folder: builder.folder, check, say });
      }
    } finally {
      builder.close();
    }
    return { passed: passed.length, failures };
  },
};

/** The bases, as the Dockerfile names them. */
async function baseNames() {
  const text = await Bun.file(join(root, "mesh/images/Dockerfile")).text();
  const base = (name: string) => stagesOf(text).find((stage) => stage.name === name)?.base ?? "";
  return { node: base("build"), bun: base("warmpath"), nats: base("nats-server") };
}
