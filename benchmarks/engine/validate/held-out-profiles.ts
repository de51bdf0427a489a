import { llama8bH100, llama70bTp4H100, profiles } from "../profiles.ts";
import type { EngineProfile } from "../types.ts";

/** What a model is, as far as a step's time depends on it. */
interface ModelShape {
  readonly name: string;
  /** All parameters less the input embedding, which a step does not read as a whole. */
  readonly parameters: number;
  readonly layers: number;
  readonly width: number;
  /** Over all GPUs, BF16. */
  readonly kvBytesPerToken: number;
  readonly tensorParallel: number;
  readonly blocks: number;
}

const anchor = { parameters: 7.5e9, layers: 32, width: 4096, kvBytesPerToken: 131_072 };

/**
 * Fixed time per layer of a tensor-parallel step beyond a single GPU's: all-reduce. What the 70B
 * fit has more than the 8B fit.
 */
const allReduceUsPerLayer = (llama70bTp4H100.fixedUs - llama8bH100.fixedUs) / 80;

/**
 * The constants of a model that nobody fitted, scaled from 8B on one H100: weights and tokens with
 * the parameters of one GPU, contexts with its KV bytes, attention with layers and width.
 */
function scaledProfile(shape: ModelShape): EngineProfile {
  const { tensorParallel, layers } = shape;
  const parameters = shape.parameters / tensorParallel / anchor.parameters;
  return {
    ...llama8bH100,
    name: shape.name,
    source: `scaled from ${llama8bH100.name} by shape; not fitted`,
    isExtrapolated: true,
    fixedUs: llama8bH100.fixedUs + (tensorParallel > 1 ? layers * allReduceUsPerLayer : 0),
    weightsUs: llama8bH100.weightsUs * parameters,
    perTokenUs: llama8bH100.perTokenUs * parameters,
    perContextTokenUs:
      (llama8bH100.perContextTokenUs * shape.kvBytesPerToken) /
      tensorParallel /
      anchor.kvBytesPerToken,
    perAttentionUs:
      (llama8bH100.perAttentionUs * layers * shape.width) /
      tensorParallel /
      (anchor.layers * anchor.width),
    blocks: shape.blocks,
  };
}

const shapes: readonly ModelShape[] = [
  {
    name: "llama-8b-tp2-h100",
    ...anchor,
    tensorParallel: 2,
    blocks: 63_000,
  },
  {
    name: "llama-2-7b-h100",
    parameters: 6.6e9,
    layers: 32,
    width: 4096,
    kvBytesPerToken: 524_288,
    tensorParallel: 1,
    blocks: 7463,
  },
  {
    name: "qwen3-14b-h100",
    parameters: 14.0e9,
    layers: 40,
    width: 5120,
    kvBytesPerToken: 163_840,
    tensorParallel: 1,
    blocks: 17_000,
  },
  {
    name: "codellama-34b-tp2-h100",
    parameters: 33.5e9,
    layers: 48,
    width: 8192,
    kvBytesPerToken: 196_608,
    tensorParallel: 2,
    blocks: 26_000,
  },
];

const scaled = new Map(shapes.map((shape) => [shape.name, scaledProfile(shape)]));

/** The profile of a measured point: a published one, or one scaled by shape. */
export function profileOfPoint(name: string): EngineProfile {
  const profile = profiles[name] ?? scaled.get(name);
  if (profile === undefined) throw new Error(`no profile is called ${name}`);
  return profile;
}
