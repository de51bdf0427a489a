{{- define "warmpath.validate.ingress" -}}
{{- $ingress := .Values.ingress -}}
{{- if $ingress.enabled -}}
{{- if eq $ingress.hostname $ingress.grpcHostname -}}
{{- fail (printf "ingress.hostname and ingress.grpcHostname are both %s: Connect and native gRPC share their paths, so they need two names" $ingress.hostname) -}}
{{- end -}}
{{- if gt (int $ingress.replicas.min) (int $ingress.replicas.max) -}}
{{- fail (printf "ingress.replicas: min (%d) is above max (%d)" (int $ingress.replicas.min) (int $ingress.replicas.max)) -}}
{{- end -}}
{{- if $ingress.account.name -}}
{{- fail "ingress.enabled and ingress.account.name are both set: either this chart makes the gateway, or somebody else did" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* A weight that nobody applies would look like a canary without faults. */}}
{{- define "warmpath.validate.canary" -}}
{{- range $row := (include "warmpath.table" . | fromYaml).services -}}
{{- $canary := index $.Values.canary $row.name -}}
{{- if gt (int $canary.weight) 0 -}}
{{- if not $canary.enabled -}}
{{- fail (printf "canary.%s.weight is %d, and canary.%s.enabled is false: nothing would answer" $row.name (int $canary.weight) $row.name) -}}
{{- end -}}
{{- if not (or $.Values.mesh.enabled (and $row.public $.Values.ingress.enabled)) -}}
{{- fail (printf "canary.%s.weight needs mesh.enabled: without one nobody shares out its calls" $row.name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
