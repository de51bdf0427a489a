{{/* The table of services, as a dict with the key "services". */}}
{{- define "warmpath.table" -}}
{{ .Files.Get "files/matrix.yaml" }}
{{- end }}

{{/*
Name of a service's objects: context is (dict "root" $ "name" NAME). One that is too long is refused and not cut: what
is left of two services' names, or a service's and its canary's, may be the same.
*/}}
{{- define "warmpath.name" -}}
{{- $name := printf "%s-%s" .root.Release.Name .name -}}
{{- if gt (len $name) 63 -}}
{{- fail (printf "the release's name is too long: %s has %d characters, and Kubernetes takes 63" $name (len $name)) -}}
{{- end -}}
{{ $name }}
{{- end }}

{{- define "warmpath.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{/* What a pod that others make for this release carries: its selector, and that it is a part. */}}
{{- define "warmpath.podIdentity" -}}
{{ include "warmpath.selector" . }}
app.kubernetes.io/part-of: warmpath
{{- end }}

{{- define "warmpath.labels" -}}
{{ include "warmpath.selector" . }}
app.kubernetes.io/part-of: warmpath
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* Number of pods of a service, empty where an autoscaler owns it: context is (dict "root" $ "name" NAME). */}}
{{- define "warmpath.replicas" -}}
{{- if ne (include "warmpath.isAutoscaled" .) "true" -}}
{{ (index .root.Values.services .name).replicas | default 2 }}
{{- end -}}
{{- end }}

{{/* "true" where an autoscaler owns the number of pods: context is (dict "root" $ "name" NAME). */}}
{{- define "warmpath.isAutoscaled" -}}
{{- $autoscaling := .root.Values.autoscaling | default dict -}}
{{- and (dig "enabled" false $autoscaling) (dig .name "enabled" false $autoscaling) -}}
{{- end }}

{{/* Name of a PriorityClass, empty where none is used: context is (dict "root" $ "class" interactive|standard|batch). */}}
{{- define "warmpath.priorityClass" -}}
{{- if .root.Values.priorityClasses.enabled -}}
{{ .root.Values.priorityClasses.prefix }}-{{ .class }}
{{- end -}}
{{- end }}

{{/*
Annotations of a service's pods, as YAML: context is (dict "root" $ "service" ROW).
*/}}
{{- define "warmpath.podAnnotations" -}}
{{- $own := dict -}}
{{- if and (eq .service.name "orchestrator") (not .root.Values.workers.safeToEvict) -}}
{{- $_ := set $own "cluster-autoscaler.kubernetes.io/safe-to-evict" "false" -}}
{{- $_ := set $own "karpenter.sh/do-not-disrupt" "true" -}}
{{- end -}}
{{- include "warmpath.mergedAnnotations" (dict "root" .root "port" .service.http "own" $own) -}}
{{- end }}

{{/*
Annotations of any pod, as YAML: its own, the mesh's, and podAnnotations, which win, so that no key is there twice.
Context is (dict "root" $ "port" PORT "own" DICT), PORT being that of its metrics.
*/}}
{{- define "warmpath.mergedAnnotations" -}}
{{- $mesh := include "warmpath.mesh.podAnnotations" (dict "root" .root "port" .port) | fromYaml -}}
{{- with merge (deepCopy (.root.Values.podAnnotations | default dict)) .own $mesh }}{{ toYaml . }}{{ end -}}
{{- end }}

{{/* The names under which a service runs, its canary's last, as a JSON list: context is (dict "root" $ "name" NAME). */}}
{{- define "warmpath.tracks" -}}
{{- $canary := index .root.Values.canary .name -}}
{{- ternary (list .name (printf "%s-canary" .name)) (list .name) $canary.enabled | toJson -}}
{{- end }}

{{/* Image of a service's canary: of the release's repository. Context is (dict "root" $ "name" NAME). */}}
{{- define "warmpath.canaryImage" -}}
{{- $canary := index .root.Values.canary .name -}}
{{ .root.Values.image.repository }}{{ if $canary.digest }}@{{ $canary.digest }}{{ else }}:{{ $canary.tag }}{{ end }}
{{- end }}

{{- define "warmpath.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/*
The IP address that a host is, in lower case, and nothing where it is a name. What only looks like an IPv4 address is
refused: readers of addresses disagree about 10.1 and 010.0.0.1.
*/}}
{{- define "warmpath.address" -}}
{{- $octet := "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])" -}}
{{- if contains ":" . -}}
{{ lower . }}
{{- else if regexMatch (printf "^(%s[.]){3}%s$" $octet $octet) . -}}
{{ . }}
{{- else if regexMatch "^[0-9.]+$" . -}}
{{- fail (printf "%s is no host: an IPv4 address is four numbers from 0 to 255, without leading zeros" .) -}}
{{- end -}}
{{- end }}

{{/* "true" for an address, or a name, of the pod itself. */}}
{{- define "warmpath.isLoopback" -}}
{{- if regexMatch "^(localhost|127[.][0-9.]+|::1|0[.]0[.]0[.]0|::)$" . -}}true{{- end -}}
{{- end }}

{{/* Every engine's address, separated by commas. None at all, and no hosted provider either, is a mistake, and better found now. */}}
{{- define "warmpath.upstreams" -}}
{{- $urls := .Values.upstreams.urls | default list -}}
{{- range $set := .Values.upstreams.statefulSets -}}
{{- range $index := until (int $set.replicas) -}}
{{- $urls = append $urls (printf "http://%s-%d.%s.%s.svc:%d" $set.name $index $set.service $set.namespace (int $set.port)) -}}
{{- end -}}
{{- end -}}
{{- $urls = concat $urls (include "warmpath.vllm.upstreams" . | fromJsonArray) -}}
{{- if not (or $urls (index .Values.services "inference-proxy").env.WARMPATH_PROVIDERS) -}}
{{- fail "upstreams.urls and upstreams.statefulSets are both empty, and there are no vllm.classes: name at least one engine or provider" -}}
{{- end -}}
{{- join "," $urls -}}
{{- end }}

{{/*
The secret files of a service, as a dict of file to variable: context is (dict "root" $ "service" ROW). A file
is also the name of its key in the Secret.
*/}}
{{- define "warmpath.files" -}}
{{- $files := dict -}}
{{- $absent := list "upstream-api-key" "dev-key" -}}
{{- range .root.Values.secret.optionalKeys }}{{ $absent = without $absent . }}{{ end -}}
{{- range $file, $variable := .service.secrets -}}
{{- if not (has $file $absent) }}{{ $_ := set $files $file $variable }}{{ end -}}
{{- end -}}
{{- range $store, $variable := .service.stores }}{{ $_ := set $files (printf "%s-url" $store) $variable }}{{ end -}}
{{ toYaml $files }}
{{- end }}

{{/* A container's environment: context is (dict "root" $ "service" ROW). */}}
{{- define "warmpath.env" -}}
{{- $root := .root -}}
{{- range $file, $variable := include "warmpath.files" . | fromYaml }}
- name: {{ $variable }}_FILE
  value: /run/secrets/{{ $file }}
{{- end }}
{{- range $callee, $variable := .service.calls }}
{{- range $row := (include "warmpath.table" $root | fromYaml).services }}
{{- if eq $row.name $callee }}
- name: {{ $variable }}
  value: http://{{ include "warmpath.name" (dict "root" $root "name" $callee) }}:{{ $row.grpc }}
{{- end }}
{{- end }}
{{- end }}
{{- if has "WARMPATH_UPSTREAM" .service.settings }}
- name: WARMPATH_UPSTREAM
  value: {{ include "warmpath.upstreams" $root | quote }}
{{- if not (hasKey (index $root.Values.services .service.name).env "WARMPATH_MODELS_WANTED") }}
{{- with include "warmpath.vllm.models" $root }}
- name: WARMPATH_MODELS_WANTED
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- if hasKey .service.stores "postgres" }}
- name: WARMPATH_STATE_POOL_SIZE
  value: {{ $root.Values.pooling.connectionsPerPod | quote }}
- name: WARMPATH_QUEUE_REPLICAS
  value: {{ $root.Values.jetstreamReplicas | quote }}
{{- end }}
- name: WARMPATH_DRAIN_MS
  value: {{ mul $root.Values.drainSeconds 1000 | quote }}
- name: WARMPATH_LOG_LEVEL
  value: {{ $root.Values.logLevel }}
{{- with $root.Values.otlpUrl }}
- name: WARMPATH_OTLP_URL
  value: {{ . | quote }}
{{- end }}
{{- range $name, $value := (index $root.Values.services .service.name).env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
