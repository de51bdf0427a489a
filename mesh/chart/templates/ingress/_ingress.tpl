{{/* Backends of a route, as the Gateway API wants them, the canary's share among them: context as for warmpath.mesh.weighted. */}}
{{- define "warmpath.ingress.backends" -}}
{{- $root := .root -}}
{{- $port := int .port -}}
{{- $canary := index .root.Values.canary .name -}}
{{- $weight := ternary (int $canary.weight) 0 $canary.enabled -}}
{{- range $name := include "warmpath.tracks" . | fromJsonArray }}
- { name: {{ include "warmpath.name" (dict "root" $root "name" $name) }}, port: {{ $port }}, weight: {{ ternary (ternary $weight (sub 100 $weight) (hasSuffix "-canary" $name)) 1 $canary.enabled }} }
{{- end }}
{{- end }}

{{/* What the SDKs of OpenAI and Anthropic send from a page besides: a preflight that misses one fails. */}}
{{- define "warmpath.ingress.sdkHeaders" -}}
x-api-key, anthropic-version, anthropic-beta, anthropic-dangerous-direct-browser-access, openai-organization, openai-project, x-stainless-arch, x-stainless-async, x-stainless-helper-method, x-stainless-lang, x-stainless-os, x-stainless-package-version, x-stainless-retry-count, x-stainless-runtime, x-stainless-runtime-version, x-stainless-timeout
{{- end }}
