/** What `vllm:cache_config_info` tells of this replica; all else is what a default vLLM says. */
export interface CacheConfig {
  readonly blockTokens: number;
  readonly blocks: number;
  readonly maxModelLen: number;
}

/** The line of `vllm:cache_config_info`, with the recorded labels. */
export function cacheConfigLine({ blockTokens, blocks, maxModelLen }: CacheConfig): string {
  const labels: Readonly<Record<string, string | number>> = {
    _block_size_resolved: "True",
    block_size: blockTokens,
    cache_dtype: "auto",
    cache_hit_alignment_tokens: "None",
    effective_attention_block_size: blockTokens,
    enable_mamba_shared_prefix_checkpoint: "False",
    enable_prefix_caching: "True",
    engine: 0,
    gpu_memory_utilization: "0.92",
    hash_block_size: "None",
    is_attention_free: "False",
    kv_cache_dtype_skip_layers: "[]",
    kv_cache_layout: "None",
    kv_cache_max_concurrency: (blocks * blockTokens) / maxModelLen,
    kv_cache_memory_bytes: "None",
    kv_cache_size_tokens: blocks * blockTokens,
    kv_offloading_backend: "native",
    kv_offloading_size: "None",
    kv_sharing_fast_prefill: "False",
    mamba_block_size: "None",
    mamba_cache_dtype: "auto",
    mamba_cache_mode: "none",
    mamba_page_size_padded: "None",
    mamba_ssm_cache_dtype: "float32",
    num_cpu_blocks: "None",
    num_gpu_blocks: blocks,
    num_gpu_blocks_override: blocks,
    prefix_cache_retention_interval: 0,
    prefix_caching_hash_algo: "sha256_cbor",
    prefix_match_unit: "None",
    replayssm_buffer_len: 16,
    skip_page_size_padded: "None",
    sliding_window: "None",
    swa_bounded_replay: "True",
    use_kda_recoverssm: "False",
    use_replayssm: "False",
    user_specified_block_size: "True",
  };
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
  return `vllm:cache_config_info{${pairs.join(",")}} 1.0`;
}
