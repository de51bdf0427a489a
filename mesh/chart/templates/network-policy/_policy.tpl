{{/* Ports between pods of this release: context is (dict "root" $ "ports" LIST). */}}
{{- define "warmpath.policy.ports" -}}
{{- range $port := .ports }}
- { port: {{ int $port }}, protocol: TCP }
{{- end }}
{{- if include "warmpath.mesh.is" (dict "root" .root "mode" "ambient") }}
# HBONE: what the mesh carries the others in.
- { port: 15008, protocol: TCP }
{{- end }}
{{- end }}

{{/* The pods of the gateway that clients come through; empty where there is none. */}}
{{- define "warmpath.policy.ingressPeer" -}}
{{- $account := .Values.ingress.account -}}
{{- if $account.name -}}
- namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: {{ $account.namespace }} } }
{{- else if .Values.ingress.enabled -}}
- podSelector: { matchLabels: { gateway.networking.k8s.io/gateway-name: {{ include "warmpath.name" (dict "root" . "name" "ingress") }} } }
{{- end -}}
{{- end }}

{{/*
Egress rules to what is outside this release: context is (dict "root" $ "user" ROW "outside" DESTINATIONS). A policy
knows addresses and no names: an address that the values give is allowed as such; a host outside the cluster may be any address but those that belong to the cluster or the
cloud's machine (metadata service), on its port alone; which host it is, the mesh's ServiceEntry says.
*/}}
{{- define "warmpath.policy.outside" -}}
{{- $root := .root -}}
{{- $user := .user -}}
{{- /* Engines of this release have rules of their own, by their labels; a store may well be their neighbour. */}}
{{- $engines := list }}
{{- range include "warmpath.vllm.upstreams" $root | fromJsonArray }}{{ $engines = append $engines (urlParse .).hostname }}{{ end }}
{{- range $one := .outside }}
{{- if and (has $user $one.users) (not (has (trimSuffix (printf ".%s" $root.Values.mesh.clusterDomain) $one.host) $engines)) }}
- to:
    {{- if eq $one.namespace $root.Release.Namespace }}
    # In this namespace.
    - podSelector: {}
    {{- else if $one.namespace }}
    - namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: {{ $one.namespace }} } }
    {{- else if $one.address }}
    - ipBlock: { cidr: {{ printf "%s/%d" $one.address (ternary 128 32 (contains ":" $one.address)) | quote }} }
    {{- else }}
    - ipBlock: { cidr: 0.0.0.0/0, except: {{ $root.Values.networkPolicy.notOutside | toJson }} }
    {{- range $root.Values.networkPolicy.hostAddresses }}
    - ipBlock: { cidr: {{ . | quote }} }
    {{- end }}
    {{- end }}
  {{- if not $one.address }}
  # {{ $one.host }}
  {{- end }}
  ports:
    - { port: {{ int $one.port }}, protocol: TCP }
{{- end }}
{{- end }}
{{- end }}
