import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { depsFolder } from "../../../scripts/repository.ts";

/** An installed vLLM. */
export interface FoundVllm {
  readonly program: string;
  /** The Python that it runs on. */
  readonly python: string;
}

/** Where `--install` puts it unless told otherwise: out of git's sight, kept between runs. */
export const defaultVenv = join(depsFolder, "vllm");

/**
 * Looks where it was told (`$VLLM_BIN`), then on the path, then where `--install` puts it.
 * Undefined where there is none.
 */
export function findVllm(named: string | undefined, venv: string): FoundVllm | undefined {
  const program = [named, Bun.which("vllm"), join(venv, "bin/vllm")].find(
    (path) => path !== undefined && path !== null && existsSync(path),
  );
  if (program === undefined || program === null) return undefined;
  const beside = join(dirname(program), "python");
  return { program, python: existsSync(beside) ? beside : "python3" };
}
