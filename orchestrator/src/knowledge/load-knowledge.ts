import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import type { InferenceService } from "@warmpath/proto/inference";
import type { KnowledgeService } from "@warmpath/proto/state";
import { type Principal, type ServiceClient, servicePrincipal } from "@warmpath/runtime";
import { type Clock, type Logger, messageOf, WarmpathError } from "@warmpath/runtime/base";
import type { OrchestratorMetrics } from "../metrics.ts";
import { type Passage, passagesFromMarkdown } from "./passages.ts";

/** Files of one knowledge directory; the rest is left out, with a warning. */
const filesMax = 2_000;
/** Bytes of one file; larger ones are left out, with a warning. */
const fileBytesMax = 1_048_576;
/** Texts of one embedding call: what the contract admits. */
const embedBatch = 64;

/** What loading stands on. */
export interface KnowledgeDeps {
  readonly directory: string;
  readonly knowledge: ServiceClient<typeof KnowledgeService>;
  readonly inference: ServiceClient<typeof InferenceService>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: OrchestratorMetrics;
  readonly scanMs: number;
}

/** What was loaded, by source. */
type Loaded = Map<string, { hash: string; passages: number; mayGetVectors: boolean }>;

/** Loads the directory and keeps the knowledge base in step with it until the signal aborts. */
export async function keepKnowledge(deps: KnowledgeDeps, signal: AbortSignal): Promise<void> {
  const loaded: Loaded = new Map();
  while (!signal.aborted) {
    let pauseMs = deps.scanMs;
    try {
      await loadOnce(deps, loaded, signal);
    } catch (error) {
      if (!signal.aborted) {
        deps.log.warn("knowledge could not be loaded", { error: messageOf(error) });
        pauseMs = Math.min(pauseMs, 2_000);
      }
    }
    await deps.clock.sleep(pauseMs, signal).catch(() => undefined);
  }
}

/**
 * Puts what is new or changed, and removes what is gone, also what an earlier process put of files
 * or of a directory that are no longer there. Unchanged files cost one read.
 */
export async function loadOnce(
  deps: KnowledgeDeps,
  loaded: Loaded,
  signal: AbortSignal,
): Promise<void> {
  const options = { principal: servicePrincipal("orchestrator"), signal };
  const files = await markdownFiles(deps.directory, deps.log);
  const wanted = new Set(files);
  // Once: later a worker removes only what it put itself, or two of different releases would undo
  // each other's work for as long as both run.
  const present = loaded.size === 0 ? await storedSources(deps, options) : [...loaded.keys()];
  for (const source of present) {
    if (wanted.has(source)) continue;
    await deps.knowledge.putSource({ source, passages: [], shared: true }, options);
    loaded.delete(source);
  }
  for (const source of files) {
    signal.throwIfAborted();
    const text = await readFile(join(deps.directory, source), "utf8");
    const hash = createHash("sha256").update(text).digest("hex");
    const known = loaded.get(source);
    if (known?.hash === hash && !known.mayGetVectors) continue;
    const passages = passagesFromMarkdown(text);
    const { vectors, mayGetVectors } = await embed(deps, passages, signal);
    const isUnchanged = known?.hash === hash && vectors.length === 0;
    if (isUnchanged) continue;
    const withVectors = passages.map((passage, index) => ({ ...passage, ...vectors[index] }));
    await deps.knowledge.putSource({ source, passages: withVectors, shared: true }, options);
    loaded.set(source, { hash, passages: passages.length, mayGetVectors });
  }
  const total = [...loaded.values()].reduce((sum, { passages }) => sum + passages, 0);
  deps.metrics.knowledgePassages.set(total);
}

/** Names of all shared sources in the knowledge base. */
async function storedSources(
  { knowledge }: KnowledgeDeps,
  options: { principal: Principal; signal: AbortSignal },
): Promise<string[]> {
  const all: string[] = [];
  for (;;) {
    const after = all.at(-1) ?? "";
    const { sources } = await knowledge.listSources({ shared: true, after }, options);
    if (sources.length === 0) return all;
    all.push(...sources);
  }
}

type Vector = { embedding: number[]; embeddingModel: string };

/**
 * Vectors of the passages, or none: then words alone are searched. `mayGetVectors` when the
 * embedding model is only away for now, as at a start, and another try can help.
 */
async function embed(
  { inference, log }: KnowledgeDeps,
  passages: readonly Passage[],
  signal: AbortSignal,
): Promise<{ vectors: readonly Vector[]; mayGetVectors: boolean }> {
  const principal = servicePrincipal("orchestrator");
  const vectors: Vector[] = [];
  try {
    for (let index = 0; index < passages.length; index += embedBatch) {
      const texts = passages
        .slice(index, index + embedBatch)
        .map(({ title, text }) => `${title}\n${text}`);
      const { model, embeddings } = await inference.embed({ texts }, { principal, signal });
      vectors.push(
        ...embeddings.map(({ values }) => ({ embedding: values, embeddingModel: model })),
      );
    }
  } catch (error) {
    signal.throwIfAborted();
    const { code, message } = WarmpathError.from(error);
    const mayGetVectors = code !== "unimplemented";
    if (mayGetVectors) log.debug("passages without embedding", { error: message });
    return { vectors: [], mayGetVectors };
  }
  const isWhole = vectors.length === passages.length;
  return { vectors: isWhole ? vectors : [], mayGetVectors: false };
}

/**
 * Relative paths with forward slashes, in order; hidden folders and installed packages are not
 * knowledge.
 */
async function markdownFiles(directory: string, log: Logger): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files: string[] = [];
  for (const entry of entries) {
    if (!entry.isFile() || !/\.(md|markdown)$/i.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    const source = relative(directory, path).split(sep).join("/");
    if (source.split("/").some((part) => part.startsWith(".") || part === "node_modules")) continue;
    const { size } = await stat(path);
    if (size <= fileBytesMax) files.push(source);
    else log.warn("knowledge file is too large and left out", { source, size });
  }
  if (files.length > filesMax) {
    log.warn("knowledge directory has too many files; the last ones are left out", { filesMax });
  }
  return files.sort().slice(0, filesMax);
}
