{{/* "true" where a mesh of the given mode is rendered: context is (dict "root" $ "mode" "sidecar"|"ambient"). */}}
{{- define "warmpath.mesh.is" -}}
{{- if and .root.Values.mesh.enabled (eq .root.Values.mesh.mode .mode) -}}true{{- end -}}
{{- end }}

{{/* Fully qualified name of a service of this release: context is (dict "root" $ "name" NAME). */}}
{{- define "warmpath.mesh.host" -}}
{{ include "warmpath.name" . }}.{{ .root.Release.Namespace }}.svc.{{ .root.Values.mesh.clusterDomain }}
{{- end }}

{{/*
Identity of a caller of the matrix, exact and with its trust domain; empty where clients have no way in. Context is
(dict "root" $ "caller" NAME).
*/}}
{{- define "warmpath.mesh.principal" -}}
{{- $values := .root.Values -}}
{{- $namespace := .root.Release.Namespace -}}
{{- $account := include "warmpath.name" (dict "root" .root "name" .caller) -}}
{{- if eq .caller "ingress" -}}
{{- $account = "" -}}
{{- if $values.ingress.account.name -}}
{{- $namespace = $values.ingress.account.namespace -}}
{{- $account = $values.ingress.account.name -}}
{{- else if $values.ingress.enabled -}}
{{- /* Istio names the account of a gateway that it deploys after the Gateway and its class. */ -}}
{{- $account = printf "%s-%s" (include "warmpath.name" (dict "root" .root "name" "ingress")) $values.ingress.className -}}
{{- end -}}
{{- end -}}
{{- if $account -}}
{{ $values.mesh.trustDomain }}/ns/{{ $namespace }}/sa/{{ $account }}
{{- end -}}
{{- end }}

{{/* Labels of every pod that make it part of the mesh. */}}
{{- define "warmpath.mesh.podLabels" -}}
{{- if include "warmpath.mesh.is" (dict "root" . "mode" "sidecar") -}}
sidecar.istio.io/inject: "true"
{{- else if include "warmpath.mesh.is" (dict "root" . "mode" "ambient") -}}
istio.io/dataplane-mode: ambient
{{- end -}}
{{- end }}

{{/*
Annotations of every pod in a mesh, as a dict: context is (dict "root" $ "port" PORT), the port of its metrics.
*/}}
{{- define "warmpath.mesh.podAnnotations" -}}
{{- if include "warmpath.mesh.is" (dict "root" .root "mode" "sidecar") -}}
# The agent fetches the pod's own metrics and hands them out with the proxy's, on 15020.
prometheus.io/scrape: "true"
prometheus.io/port: {{ .port | quote }}
prometheus.io/path: /metrics
# The proxy starts before the service, and stops once nobody holds a connection: a stream that is drained is not cut
# by its proxy. terminationDrainDuration is the bound where Istio does not know the setting after it. drainDuration: an
# engine that begins to stop is no endpoint any more, and the caller's listener for its address goes; what is open there
# has this long, and Istio's 45 s would cut the longer streams.
proxy.istio.io/config: |
  holdApplicationUntilProxyStarts: true
  terminationDrainDuration: {{ add .root.Values.drainSeconds 5 }}s
  drainDuration: {{ add .root.Values.drainSeconds 5 }}s
  proxyMetadata:
    EXIT_ON_ZERO_ACTIVE_CONNECTIONS: "true"
{{- end -}}
{{- end }}

{{/* Labels of every Service: in ambient mode calls, and those of the ingress gateway, go through the waypoint. */}}
{{- define "warmpath.mesh.serviceLabels" -}}
{{- if include "warmpath.mesh.is" (dict "root" . "mode" "ambient") -}}
istio.io/use-waypoint: {{ include "warmpath.name" (dict "root" . "name" "waypoint") }}
istio.io/ingress-use-waypoint: "true"
{{- end -}}
{{- end }}

{{/*
Where calls of this release go that stay in no service of its own, as a JSON list of
{ host, address, port, protocol, namespace, users }: namespace is that of a Kubernetes Service and empty for a host outside
the cluster; users are the rows that may call it, "ingress" and "waypoint" the mesh's own gateways, and "vllm" the engines.
Where the values give an IP address, that is address, and host a name made up for it, since Istio knows no address as a
host; TCP, because an address says by itself where a connection goes. What is on the pod's own loopback leaves it by no
way, and is left out.
*/}}
{{- define "warmpath.mesh.destinations" -}}
{{- $root := . -}}
{{- $values := .Values -}}
{{- $wanted := list -}}
{{- range $service := (include "warmpath.table" . | fromYaml).services -}}
{{- range $store, $_ := $service.stores -}}
{{- $at := index $values.egress.stores $store -}}
{{- if not $at.host }}{{ fail (printf "egress.stores.%s.host is empty: mesh and network policies must know where the store is, since the Secret is not read here" $store) }}{{ end -}}
{{- $wanted = append $wanted (dict "host" $at.host "port" $at.port "protocol" "TCP" "user" $service.name) -}}
{{- end -}}
{{- if and (has "otlp" $service.egress) $values.otlpUrl -}}
{{- $wanted = append $wanted (dict "url" $values.otlpUrl "protocol" "GRPC" "user" $service.name) -}}
{{- end -}}
{{- if has "providers" $service.egress -}}
{{- range $values.egress.providers }}{{ $wanted = append $wanted (dict "host" .host "port" .port "protocol" "TLS" "user" $service.name) }}{{ end -}}
{{- end -}}
{{- if has "tools" $service.egress -}}
{{- range $values.egress.tools }}{{ $wanted = append $wanted (dict "host" .host "port" .port "protocol" .protocol "user" $service.name) }}{{ end -}}
{{- end -}}
{{- if has "engines" $service.egress -}}
{{- /* None, where there are hosted providers alone. */ -}}
{{- range splitList "," (include "warmpath.upstreams" $root) | compact }}{{ $wanted = append $wanted (dict "url" . "protocol" "HTTP" "user" $service.name) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if and $values.otlpUrl $values.ingress.enabled -}}
{{- $wanted = append $wanted (dict "url" $values.otlpUrl "protocol" "GRPC" "user" "ingress") -}}
{{- end -}}
{{- if and $values.otlpUrl (include "warmpath.mesh.is" (dict "root" $root "mode" "ambient")) -}}
{{- $wanted = append $wanted (dict "url" $values.otlpUrl "protocol" "GRPC" "user" "waypoint") -}}
{{- end -}}
{{- if $values.vllm.enabled -}}
{{- range $values.egress.modelHub }}{{ $wanted = append $wanted (dict "host" . "port" 443 "protocol" "TLS" "user" "vllm") }}{{ end -}}
{{- end -}}
{{- $found := dict -}}
{{- range $one := $wanted -}}
{{- $host := $one.host -}}
{{- $port := $one.port -}}
{{- $protocol := $one.protocol -}}
{{- if $one.url -}}
{{- $url := urlParse $one.url -}}
{{- $host = $url.hostname -}}
{{- $isTls := eq $url.scheme "https" -}}
{{- $port = regexFind "[0-9]+$" (trimPrefix $url.hostname $url.host) | default (ternary "443" "80" $isTls) -}}
{{- if $isTls }}{{ $protocol = "TLS" }}{{ end -}}
{{- end -}}
{{- $address := include "warmpath.address" $host -}}
{{- if $address -}}
{{- $protocol = "TCP" -}}
{{- $host = printf "ip-%s-%d.addresses.internal" (regexReplaceAll "[.:]" $address "-") (int $port) -}}
{{- end -}}
{{- $namespace := "" -}}
{{- $inside := regexFind "^[^:/]+[.]svc([.]|$)" $host -}}
{{- if $inside -}}
{{- /* The last two names before "svc" are the Service and its namespace; what leads them is one of its pods. */ -}}
{{- $names := splitList "." (regexReplaceAll "[.]svc[.]?$" $inside "") -}}
{{- if lt (len $names) 2 }}{{ fail (printf "%s: name a Kubernetes Service as NAME.NAMESPACE.svc" $host) }}{{ end -}}
{{- $namespace = last $names -}}
{{- $host = printf "%s.%s.svc.%s" (index $names (sub (len $names) 2 | int)) $namespace $values.mesh.clusterDomain -}}
{{- end -}}
{{- $key := printf "%s:%d" $host (int $port) -}}
{{- $users := list -}}
{{- if hasKey $found $key }}{{ $users = (index $found $key).users }}{{ end -}}
{{- $users = append $users $one.user | uniq -}}
{{- if not (include "warmpath.isLoopback" ($address | default $host)) -}}
{{- $_ := set $found $key (dict "host" $host "address" $address "port" (int $port) "protocol" $protocol "namespace" $namespace "users" $users) -}}
{{- end -}}
{{- end -}}
{{- $list := list -}}
{{- range $key := keys $found | sortAlpha }}{{ $list = append $list (index $found $key) }}{{ end -}}
{{ toJson $list }}
{{- end }}

{{/* Labels of a mesh's objects that belong to no one service. */}}
{{- define "warmpath.mesh.labels" -}}
{{ include "warmpath.labels" (dict "root" . "name" "mesh") }}
{{- end }}

{{/*
Destinations of a service's routes, its canary's share among them, as a YAML list: context is
(dict "root" $ "name" NAME "port" PORT).
*/}}
{{- define "warmpath.mesh.weighted" -}}
{{- $root := .root -}}
{{- $port := int .port -}}
{{- $canary := index .root.Values.canary .name -}}
{{- $weight := ternary (int $canary.weight) 0 $canary.enabled -}}
{{- range $name := include "warmpath.tracks" . | fromJsonArray }}
- destination:
    host: {{ include "warmpath.mesh.host" (dict "root" $root "name" $name) }}
    port: { number: {{ $port }} }
  {{- if $canary.enabled }}
  weight: {{ ternary $weight (sub 100 $weight) (hasSuffix "-canary" $name) }}
  {{- end }}
{{- end }}
{{- end }}

{{/* "true" where anybody may call anything of a service: context is its row. */}}
{{- define "warmpath.mesh.isCalled" -}}
{{- $callers := list -}}
{{- range $rpc := .rpcs }}{{ $callers = concat $callers $rpc.callers }}{{ range $rpc.methods }}{{ $callers = concat $callers (.callers | default list) }}{{ end }}{{ end -}}
{{- range .paths }}{{ $callers = concat $callers .callers }}{{ end -}}
{{- if $callers }}true{{ end -}}
{{- end }}
