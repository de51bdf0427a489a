{{/* Name of a class's objects: context is (dict "root" $ "class" CLASS). */}}
{{- define "warmpath.vllm.name" -}}
{{ include "warmpath.name" (dict "root" .root "name" (printf "vllm-%s" .class.name)) }}
{{- end }}

{{/* What selects the pods of a class. */}}
{{- define "warmpath.vllm.selector" -}}
{{ include "warmpath.selector" (dict "root" .root "name" "vllm") }}
warmpath/gpu-class: {{ .class.name }}
{{- end }}

{{- define "warmpath.vllm.labels" -}}
{{ include "warmpath.labels" (dict "root" .root "name" "vllm") }}
warmpath/gpu-class: {{ .class.name }}
{{- end }}

{{/*
The upstreams of the classes, as the proxy takes them: it looks up the pods behind each headless Service and
chooses among them itself.
*/}}
{{- define "warmpath.vllm.upstreams" -}}
{{- $root := . -}}
{{- $urls := list -}}
{{- if .Values.vllm.enabled -}}
{{- range $class := .Values.vllm.classes -}}
{{- $name := include "warmpath.vllm.name" (dict "root" $root "class" $class) -}}
{{- $urls = append $urls (printf "dns://%s.%s.svc:%d" $name $root.Release.Namespace (int $root.Values.vllm.port)) -}}
{{- end -}}
{{- end -}}
{{- toJson $urls -}}
{{- end }}

{{/* The models of the classes, separated by commas: a proxy counts the replicas of each, also while there are none. */}}
{{- define "warmpath.vllm.models" -}}
{{- $models := list -}}
{{- if .Values.vllm.enabled -}}
{{- range .Values.vllm.classes }}{{ $models = append $models .model.servedName }}{{ end -}}
{{- end -}}
{{- join "," (uniq $models) -}}
{{- end }}

{{/* The extended resource that a class asks for: whole GPUs (shared ones under MPS), or slices of one MIG profile. */}}
{{- define "warmpath.vllm.resource" -}}
{{- if .mig }}nvidia.com/mig-{{ .mig }}{{ else }}nvidia.com/gpu{{ end -}}
{{- end }}

{{/*
Whether this vLLM has --shutdown-timeout. 0.32.0 is the earliest on which it was measured: streams in flight
finish. Without it a SIGTERM leaves them hanging, so the wait has to come before the signal.
*/}}
{{- define "warmpath.vllm.drainsItself" -}}
{{- /* Tags such as v0.10.1.1 and v0.8.5.post1 are no semantic versions: their first three numbers are. */ -}}
{{- if semverCompare ">=0.32.0-0" (regexFind "[0-9]+[.][0-9]+[.][0-9]+" .Values.vllm.image.tag) }}yes{{ end -}}
{{- end }}

{{/* The arguments of vllm serve, in pairs that a reader can look up: context is (dict "root" $ "class" CLASS "sizing" SIZING). */}}
{{- define "warmpath.vllm.args" -}}
{{- $values := .root.Values.vllm -}}
{{- $class := .class -}}
{{- $model := $class.model -}}
- {{ $model.id | quote }}
- --revision={{ $model.revision }}
- --served-model-name={{ $model.servedName }}
- --host=0.0.0.0
- --port={{ int $values.port }}
- --dtype={{ $class.dtype | default "auto" }}
- --tensor-parallel-size={{ int $class.gpus }}
- --gpu-memory-utilization={{ divf (float64 $class.memoryShare) (float64 ($class.mps | default 1)) | printf "%.3f" }}
{{- if eq (int $model.kvBytes) 1 }}
# One byte a number, as the arithmetic counts it: vLLM would take the weights' type.
- --kv-cache-dtype=fp8
{{- end }}
- --max-model-len={{ int64 $model.contextTokens }}
- --max-num-seqs={{ int64 .sizing.sequences }}
- --max-num-batched-tokens={{ int64 $class.batchedTokens }}
# A long prompt is computed in pieces between the tokens of others.
- --enable-chunked-prefill
- --enable-prefix-caching
# The hash that can be computed outside, so that what engines publish can be compared with prompts.
- --prefix-caching-hash-algo=sha256_cbor
# cached_tokens in the usage: what the proxy learns a replica's cache by.
- --enable-prompt-tokens-details
{{- with $model.toolParser }}
# Without both a model's calls of tools come back as text, and no agent's tool is ever called.
- --enable-auto-tool-choice
- --tool-call-parser={{ . }}
{{- end }}
{{- if $values.kvEvents.enabled }}
- --kv-events-config={{ dict "enable_kv_cache_events" true "publisher" "zmq" "endpoint" (printf "tcp://*:%d" (int $values.kvEvents.port)) "replay_endpoint" (printf "tcp://*:%d" (int $values.kvEvents.replayPort)) "topic" (printf "kv@%s" $model.servedName) | toJson }}
{{- end }}
{{- with $class.speculative }}
{{- $config := dict "method" .method "num_speculative_tokens" (int .tokens) }}
{{- with .model }}{{ $_ := set $config "model" . }}{{ end }}
{{- if eq .method "ngram" }}{{ $_ := set $config "prompt_lookup_max" (int (.lookupMax | default 4)) }}{{ end }}
- --speculative-config={{ toJson $config }}
{{- end }}
{{- if include "warmpath.vllm.drainsItself" .root }}
- --shutdown-timeout={{ int .root.Values.drainSeconds }}
{{- end }}
{{- range $class.args }}
- {{ . | quote }}
{{- end }}
{{- end }}

{{/* True where the model is listed: what startup and readiness ask. Python is what vLLM itself runs on. */}}
{{- define "warmpath.vllm.probe" -}}
- python3
- -c
- |
  import json, sys, urllib.request
  with urllib.request.urlopen("http://127.0.0.1:" + sys.argv[1] + "/v1/models", timeout=4) as answer:
      served = [model["id"] for model in json.load(answer)["data"]]
  sys.exit(0 if sys.argv[2] in served else sys.argv[2] + " is not among " + str(served))
- {{ .port | quote }}
- {{ .servedName | quote }}
{{- end }}

{{/*
Further arguments may not say what the chart says, since vLLM takes the last and the arithmetic, probes and Services go by
the first; nor spread an engine over GPUs that it does not ask for, nor hold a key. Context is as for warmpath.vllm.args.
*/}}
{{- define "warmpath.vllm.checkArgs" -}}
{{- $own := list "--model" "--kv-cache-dtype" "--kv-events-config" "--speculative-config" "--shutdown-timeout" "-tp" "--pipeline-parallel-size" "-pp" "--data-parallel-size" "-dp" "--api-key" -}}
{{- range include "warmpath.vllm.args" (dict "root" .root "class" (omit .class "args") "sizing" .sizing) | fromYamlArray -}}
{{- $own = append $own (splitList "=" . | first) -}}
{{- end -}}
{{- range $arg := .class.args -}}
{{- $flag := splitList "=" $arg | first | replace "_" "-" -}}
{{- if has (regexReplaceAll "^--no-" $flag "--") $own -}}
{{- fail (printf "vllm.classes: %s: args: %s is said by the chart, from another value, or is not for an engine here" $.class.name $flag) -}}
{{- end -}}
{{- end -}}
{{- end }}
