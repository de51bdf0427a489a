/**
 * `npm run bench:workloads`: what workloads look like, and how much of a trace any cache can serve.
 */
import { statSync } from "node:fs";
import { basename, join } from "node:path";
import { exitCodeOf, formatBars } from "../report/bars.ts";
import { type CliOptions, help, parseOptions, UsageError } from "./cli/options.ts";
import { showTrace } from "./cli/show-trace.ts";
import { type Shown, showWorkload, showWorkloads } from "./cli/show-workload.ts";
import { TraceFormatError } from "./trace/trace-format-error.ts";

const ownTrace = join(import.meta.dir, "testdata/mooncake_fast25_conversation_trace.jsonl.gz");

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(argv);
    if (options.isHelp) {
      process.stdout.write(help);
      return 0;
    }
    const shown = await look(options);
    process.stdout.write(options.isJson ? jsonOf(shown) : textOf(shown));
    return exitCodeOf(shown.flatMap(({ bars }) => bars));
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof TraceFormatError)) throw error;
    process.stderr.write(`bench:workloads: ${error.message}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

async function look(options: CliOptions): Promise<readonly Shown[]> {
  if (options.tracePath !== undefined) return [await lookAtTrace(options.tracePath, options)];
  if (options.workload !== undefined) return [showWorkload(options.workload, options)];
  return [showWorkloads(options), await lookAtTrace(ownTrace, options)];
}

async function lookAtTrace(path: string, options: CliOptions): Promise<Shown> {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new UsageError(`--trace: there is no file ${path}`);
  if (found.isDirectory()) throw new UsageError(`--trace: ${path} is a folder`);
  const { blockTokens, isContinued } = options;
  return await showTrace({
    path,
    name: basename(path),
    blockTokens,
    isContinued,
    onProgress: (requests) => process.stderr.write(`bench:workloads: ${requests} requests\n`),
  });
}

function textOf(shown: readonly Shown[]): string {
  const bars = shown.flatMap((each) => each.bars);
  const texts = shown.map(({ text }) => text);
  const held = bars.length === 0 ? [] : [formatBars(bars, { json: false })];
  return `${[...texts, ...held].join("\n\n")}\n`;
}

function jsonOf(shown: readonly Shown[]): string {
  const lines = shown.flatMap((each) => each.lines.map((line) => JSON.stringify(line)));
  const bars = shown.flatMap((each) => each.bars);
  const held = bars.length === 0 ? [] : [formatBars(bars, { json: true })];
  return `${[...lines, ...held].join("\n")}\n`;
}
