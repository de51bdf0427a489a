{{/*
What one engine of a class can hold, with the arithmetic in words. Context is a class; the result is YAML:
utilization, kvTokens, sequences, startupSeconds, text. Memory is in GiB of one GPU, of one MIG slice, or of one
share under MPS; G GPUs under tensor parallelism each hold 1/G of the weights and of the KV cache.

  KV GiB     = GPUs x memory x share - weights - GPUs x overhead
  KV tokens  = KV GiB x 2^30 / bytes per token
  bytes      = 2 (K and V) x layers x KV heads x head size x bytes of a number; a head is not divided, so that with fewer
               heads than GPUs each GPU holds a whole one, and as many are counted as there are GPUs
  sequences  = KV tokens / tokens that a sequence typically holds, 256 at most (vLLM's own default)
  start      = 2 x (weights x 1024 / MiB a second + compiling): twice, so that a slow volume is no crash loop
*/}}
{{- define "warmpath.vllm.sizing" -}}
{{- $class := . -}}
{{- $model := .model -}}
{{- $memory := divf (float64 .memoryGiB) (float64 (.mps | default 1)) -}}
{{- $total := mulf (float64 .gpus) $memory (float64 .memoryShare) -}}
{{- $overhead := mulf (float64 .gpus) (float64 .overheadGiB) -}}
{{- $kvGiB := subf $total (float64 $model.weightsGiB) $overhead -}}
{{- $heads := max (int64 $model.kvHeads) (int64 .gpus) -}}
{{- $bytes := mul 2 (int64 $model.layers) $heads (int64 $model.headSize) (int64 $model.kvBytes) -}}
{{- $sum := printf "%d x %.1f GiB x %.2f - %.1f GiB weights - %.1f GiB overhead = %.1f GiB KV" (int64 .gpus) $memory (float64 .memoryShare) (float64 $model.weightsGiB) $overhead $kvGiB -}}
{{- if le $kvGiB 0.0 -}}
{{- fail (printf "vllm.classes: %s has no room for %s: %s" .name $model.id $sum) -}}
{{- end -}}
{{- $kvTokens := int64 (floor (divf (mulf $kvGiB 1073741824.0) (float64 $bytes))) -}}
{{- if lt $kvTokens (int64 $model.contextTokens) -}}
{{- fail (printf "vllm.classes: %s has no room for one sequence of %d tokens: %s, %d tokens of %d bytes" .name (int64 $model.contextTokens) $sum $kvTokens $bytes) -}}
{{- end -}}
{{- $sequences := max 1 (min 256 (div $kvTokens (int64 .typicalTokens))) -}}
{{- $startup := int64 (ceil (mulf 2.0 (addf (divf (mulf (float64 $model.weightsGiB) 1024.0) (float64 .readMiBs)) (float64 .compileSeconds)))) -}}
kvTokens: {{ $kvTokens }}
sequences: {{ $sequences }}
startupSeconds: {{ $startup }}
text: {{ printf "%s; / %d bytes a token = %d tokens; / %d a sequence = %d sequences; start within 2 x (%.1f GiB x 1024 / %d MiB/s + %d s) = %d s" $sum $bytes $kvTokens (int64 .typicalTokens) $sequences (float64 $model.weightsGiB) (int64 .readMiBs) (int64 .compileSeconds) $startup | quote }}
{{- end }}

{{/* What no schema can say about a class, said before anything is installed: context is (dict "root" $ "class" CLASS). */}}
{{- define "warmpath.vllm.check" -}}
{{- $scaled := eq (include "warmpath.isAutoscaled" (dict "root" .root "name" "vllm")) "true" -}}
{{- $most := ternary (dig "maxReplicas" 1 (.class.scale | default dict)) (.class.replicas | default 1) $scaled | int -}}
{{- $places := dig "inference-proxy" "env" "WARMPATH_UPSTREAM_PODS_MAX" "16" .root.Values.services | int -}}
{{- if gt (add $most .class.surge) $places -}}
{{- fail (printf "vllm.classes: %s may have %d pods, and a proxy follows %d: raise WARMPATH_UPSTREAM_PODS_MAX in services.inference-proxy.env" .class.name (int (add $most .class.surge)) $places) -}}
{{- end -}}
{{- if and $scaled .class.replicas -}}
{{- fail (printf "vllm.classes: %s states replicas, and autoscaling.vllm owns the number: leave replicas out" .class.name) -}}
{{- end -}}
{{- with .class -}}
{{- if and .mps .mig -}}
{{- fail (printf "vllm.classes: %s has MIG and MPS together: the device plugin shares whole GPUs only" .name) -}}
{{- end -}}
{{- if and .mig (gt (int .gpus) 1) -}}
{{- fail (printf "vllm.classes: %s spans %d MIG slices: they cannot reach each other's memory, so a slice serves alone" .name (int .gpus)) -}}
{{- end -}}
{{- if and .mps (gt (int .gpus) 1) -}}
{{- fail (printf "vllm.classes: %s asks for %d shares of MPS: a container gets one" .name (int .gpus)) -}}
{{- end -}}
{{- if and .cache.claim .cache.storageClass -}}
{{- fail (printf "vllm.classes: %s names a claim and a storage class: either the claim exists, or it is made" .name) -}}
{{- end -}}
{{- if and .speculative (ne .speculative.method "ngram") (not .speculative.model) -}}
{{- fail (printf "vllm.classes: %s speculates by %s, which needs a model" .name .speculative.method) -}}
{{- end -}}
{{- end -}}
{{- end }}
