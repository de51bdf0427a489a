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
