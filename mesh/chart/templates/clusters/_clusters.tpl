{{/* Listeners of the ingress for tenants' host names, as a dict of section name to its row of clusters.homes. */}}
{{- define "warmpath.clusters.listeners" -}}
{{- $listeners := dict -}}
{{- if .Values.clusters.enabled -}}
{{- range $home := .Values.clusters.homes -}}
{{- $_ := set $listeners (printf "home-%s" (sha256sum $home.hostname | trunc 8)) $home -}}
{{- end -}}
{{- end -}}
{{ toJson $listeners }}
{{- end }}

{{- define "warmpath.validate.clusters" -}}
{{- $clusters := .Values.clusters -}}
{{- if $clusters.enabled -}}
{{- if not (and $clusters.name $clusters.network) -}}
{{- fail "clusters.name and clusters.network must be those that istiod was given (global.multiCluster.clusterName, global.network)" -}}
{{- end -}}
{{- if not (and .Values.mesh.enabled (eq .Values.mesh.mode "sidecar")) -}}
{{- fail "clusters.enabled needs mesh.enabled with mesh.mode sidecar: the east-west gateway passes mutual TLS of sidecars through" -}}
{{- end -}}
{{- if not $clusters.peers -}}
{{- fail "clusters.peers is empty: one cluster alone needs no clusters.enabled" -}}
{{- end -}}
{{- $names := list $clusters.name -}}
{{- range $peer := $clusters.peers -}}
{{- if has $peer.name $names -}}
{{- fail (printf "clusters.peers: the name %s is taken, by this cluster or another peer" $peer.name) -}}
{{- end -}}
{{- if eq $peer.network $clusters.network -}}
{{- fail (printf "clusters.peers: %s is in network %s, which is this cluster's: pods that reach each other need no east-west gateway" $peer.name $peer.network) -}}
{{- end -}}
{{- $names = append $names $peer.name -}}
{{- end -}}
{{- range $home := $clusters.homes -}}
{{- if not (has $home.cluster $names) -}}
{{- fail (printf "clusters.homes: %s lives in %s, which is neither this cluster nor a peer" $home.hostname $home.cluster) -}}
{{- end -}}
{{- end -}}
{{- if and $clusters.homes (not .Values.ingress.enabled) -}}
{{- fail "clusters.homes needs ingress.enabled: host names are the ingress's" -}}
{{- end -}}
{{- end -}}
{{- end }}
