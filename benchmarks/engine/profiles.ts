import type { EngineProfile } from "./types.ts";

/** Llama-3.1-8B in BF16 on one H100 SXM. */
export const llama8bH100: EngineProfile = {
  name: "llama-8b-h100",
  source:
    "Vidur's H100 kernel profiles (weights, token cost) and a fit to vLLM 0.15.1 runs of " +
    "inference-sim/sim-to-real-accuracy-validation (fixed, context, API)",
  isExtrapolated: false,
  fixedUs: 1500,
  weightsUs: 5940,
  perTokenUs: 19.6,
  perContextTokenUs: 0.0435,
  // 4 · 32 layers · 4096 wide at an assumed 400 TFLOPS.
  perAttentionUs: 0.00131,
  perSequenceUs: 5,
  apiBeforeUs: 9000,
  apiAfterUs: 6000,
  blocks: 28_000,
};

/** Llama-3.1-70B in BF16 over four H100 SXM (tensor parallel). */
export const llama70bTp4H100: EngineProfile = {
  name: "llama-70b-tp4-h100",
  source:
    "Vidur's H100 kernel profiles (token cost) and a fit to vLLM 0.15.1 runs of " +
    "inference-sim/sim-to-real-accuracy-validation (weights, fixed, context, API)",
  isExtrapolated: false,
  fixedUs: 3200,
  weightsUs: 12_500,
  perTokenUs: 50,
  perContextTokenUs: 0.0326,
  // 4 · 80 layers · 8192 wide over 4 GPUs at an assumed 400 TFLOPS each.
  perAttentionUs: 0.00164,
  perSequenceUs: 5,
  apiBeforeUs: 7200,
  apiAfterUs: 4800,
  blocks: 30_300,
};

/**
 * Qwen3-32B in BF16 over two H100: `llama70bTp4H100` scaled by shape, measured by nobody. Weights
 * and token cost by parameters per GPU (16.4 : 17.65 billion), fixed by layers (64 : 80), context
 * by KV bytes per GPU (131,072 : 81,920), attention by 64 layers, 8192 wide, over 2 GPUs; blocks as
 * reported for that machine (307,328 tokens; llm-d blog, 2025-09-24).
 */
export const qwen32bTp2H100: EngineProfile = {
  name: "qwen-32b-tp2-h100",
  source: "llama-70b-tp4-h100 scaled by parameters, layers and KV bytes per GPU; not measured",
  isExtrapolated: true,
  fixedUs: 2560,
  weightsUs: 11_600,
  perTokenUs: 46.5,
  perContextTokenUs: 0.0522,
  perAttentionUs: 0.00262,
  perSequenceUs: 5,
  apiBeforeUs: 7200,
  apiAfterUs: 4800,
  blocks: 19_208,
};

/**
 * `qwen32bTp2H100` where requests decode beside others with the same long prefix: attention kernels
 * then find most of the pages in the GPU's L2, so that shared context is read about once. Of the
 * context of llm-d's 2025-09 experiment (groups of five to ten requests behind 6,000 tokens) 22 %
 * is distinct. Gives the 29 ms between tokens that were published for its highest rate; without it
 * 90.
 */
export const qwen32bTp2H100Shared: EngineProfile = {
  ...qwen32bTp2H100,
  name: "qwen-32b-tp2-h100-shared",
  source: "qwen-32b-tp2-h100 with context × 0.22, the distinct share of one experiment's context",
  perContextTokenUs: qwen32bTp2H100.perContextTokenUs * 0.22,
};

/** An H200 computes like an H100 and reads memory 4.8 / 3.35 times as fast: × 0.70. */
function onH200(h100: EngineProfile, name: string, blocks: number): EngineProfile {
  return {
    ...h100,
    name,
    source: `${h100.name} with weights and context × 0.70 for the memory bandwidth; not measured`,
    isExtrapolated: true,
    weightsUs: h100.weightsUs * 0.7,
    perContextTokenUs: h100.perContextTokenUs * 0.7,
    blocks,
  };
}

/** `llama8bH100` on an H200: 0.9 · 141 GB less 16 GB of weights and the overhead hold 105 GB. */
export const llama8bH200 = onH200(llama8bH100, "llama-8b-h200", 50_000);

/** `llama70bTp4H100` on four H200: 0.9 · 141 GB less 35 GB of weights and the overhead, each. */
export const llama70bTp4H200 = onH200(llama70bTp4H100, "llama-70b-tp4-h200", 68_000);

/** Invented: same form, a fast small engine for replicas on a laptop and for tests. */
export const tiny: EngineProfile = {
  name: "tiny",
  source: "invented: no model and no machine behind it",
  isExtrapolated: true,
  fixedUs: 500,
  weightsUs: 3000,
  perTokenUs: 10,
  perContextTokenUs: 0.02,
  perAttentionUs: 0.0005,
  perSequenceUs: 5,
  apiBeforeUs: 0,
  apiAfterUs: 0,
  blocks: 4096,
};

/** All profiles, by name. */
export const profiles: Readonly<Record<string, EngineProfile>> = Object.fromEntries(
  [
    llama8bH100,
    llama70bTp4H100,
    qwen32bTp2H100,
    qwen32bTp2H100Shared,
    llama8bH200,
    llama70bTp4H200,
    tiny,
  ].map((profile) => [profile.name, profile]),
);
