{{/*
What the schema cannot say, because it is about two values at once. Each refusal names both and what to do. Called
once, by validate.yaml; a folder of templates with rules of its own defines "warmpath.validate.TOPIC" beside them.
*/}}
{{- define "warmpath.validate" -}}
{{- include "warmpath.validate.image" . -}}
{{- include "warmpath.validate.upstreams" . -}}
{{- include "warmpath.validate.drain" . -}}
{{- include "warmpath.validate.replicas" . -}}
{{- include "warmpath.validate.priorities" . -}}
{{- include "warmpath.validate.pooling" . -}}
{{- include "warmpath.validate.environment" . -}}
{{- include "warmpath.validate.waits" . -}}
{{- include "warmpath.validate.memory" . -}}
{{- include "warmpath.validate.podLabels" . -}}
{{- include "warmpath.validate.classNames" . -}}
{{- include "warmpath.validate.ingress" . -}}
{{- include "warmpath.validate.canary" . -}}
{{- include "warmpath.validate.clusters" . -}}
{{- end }}

{{/* A digest of zeros is one to write over: it would be found out by an image that nobody can pull, after the upgrade began. */}}
{{- define "warmpath.validate.image" -}}
{{- $images := dict "image" .Values.image "vllm.image" .Values.vllm.image -}}
{{- range $name, $canary := .Values.canary }}{{ $_ := set $images (printf "canary.%s" $name) $canary }}{{ end -}}
{{- range $name, $image := $images -}}
{{- if regexMatch "^sha256:0+$" ($image.digest | default "") -}}
{{- fail (printf "%s.digest is a place holder of zeros, which no registry has: set it, and the repository beside it, to what `docker push` printed, in a value file of your own or by --set %s.digest=sha256:…; empty (\"\"), it leaves the choice to the tag" $name $name) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Nothing answers there: an engine is no container of the proxy's pod. */}}
{{- define "warmpath.validate.upstreams" -}}
{{- range $url := .Values.upstreams.urls -}}
{{- $host := (urlParse $url).hostname -}}
{{- if include "warmpath.isLoopback" (include "warmpath.address" $host | default $host) -}}
{{- fail (printf "upstreams.urls: %s is the proxy's own pod, where no engine is: give the address that pods reach the engine by" $url) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "warmpath.validate.drain" -}}
{{- if le (int .Values.drainSeconds) (int .Values.longestStreamSeconds) -}}
{{- fail (printf "drainSeconds (%d) must be above longestStreamSeconds (%d), or a stop cuts answers in two" (int .Values.drainSeconds) (int .Values.longestStreamSeconds)) -}}
{{- end -}}
{{- end }}

{{- define "warmpath.validate.replicas" -}}
{{- range $name, $service := .Values.services -}}
{{- if and $service.replicas (eq (include "warmpath.isAutoscaled" (dict "root" $ "name" $name)) "true") -}}
{{- fail (printf "services.%s.replicas and autoscaling.%s.enabled are both set: the autoscaler owns the number, so leave replicas out" $name $name) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "warmpath.validate.priorities" -}}
{{- $classes := .Values.priorityClasses -}}
{{- if not (and (gt (int $classes.interactive) (int $classes.standard)) (gt (int $classes.standard) (int $classes.batch))) -}}
{{- fail "priorityClasses: interactive must be above standard, and standard above batch" -}}
{{- end -}}
{{- end }}

{{/*
State and orchestrator connect to PostgreSQL, as many pods as an autoscaler may make, and their canaries; a rollout has one
pod of each more than it will keep.
*/}}
{{- define "warmpath.validate.pooling" -}}
{{- $most := int .Values.pooling.connectionsMax -}}
{{- if gt $most 0 -}}
{{- $pods := 0 -}}
{{- range $row := (include "warmpath.table" . | fromYaml).services -}}
{{- if hasKey $row.stores "postgres" -}}
{{- $context := dict "root" $ "name" $row.name -}}
{{- $own := include "warmpath.replicas" $context | default (dig $row.name "maxReplicas" 2 ($.Values.autoscaling | default dict)) -}}
{{- $canary := index $.Values.canary $row.name -}}
{{- $pods = add $pods (int $own) (ternary (int $canary.replicas) 0 $canary.enabled) 1 -}}
{{- end -}}
{{- end -}}
{{- $wanted := mul $pods (int .Values.pooling.connectionsPerPod) -}}
{{- if gt (int $wanted) $most -}}
{{- fail (printf "pooling.connectionsMax is %d, but %d pods of %d connections each (a rollout included) want %d" $most (int $pods) (int .Values.pooling.connectionsPerPod) (int $wanted)) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* A variable that the chart sets itself would be there twice, and the last one would win unseen. */}}
{{- define "warmpath.validate.environment" -}}
{{- range $row := (include "warmpath.table" . | fromYaml).services -}}
{{- /* Host and port are the image's and the matrix's: Services, probes and policies go by them. */}}
{{- $own := list "WARMPATH_HOST" "WARMPATH_PORT" "WARMPATH_DRAIN_MS" "WARMPATH_LOG_LEVEL" "WARMPATH_OTLP_URL" "WARMPATH_STATE_POOL_SIZE" "WARMPATH_QUEUE_REPLICAS" -}}
{{- range $variable := include "warmpath.files" (dict "root" $ "service" $row) | fromYaml | values }}{{ $own = append $own (printf "%s_FILE" $variable) }}{{ end -}}
{{- range $variable := concat $own ($row.settings | default list) (values ($row.calls | default dict)) -}}
{{- if hasKey (index $.Values.services $row.name).env $variable -}}
{{- fail (printf "services.%s.env.%s: the chart sets this variable from another value" $row.name $variable) -}}
{{- end -}}
{{- end -}}
{{- /* Names such as OPENAI_API_KEY are secret whoever reads them; NAME_FILE and key-file= are how a file is named. */ -}}
{{- $secret := concat (values ($row.stores | default dict)) (values ($row.secrets | default dict)) -}}
{{- range $variable := keys (index $.Values.services $row.name).env | sortAlpha -}}
{{- if or (has $variable $secret) (regexMatch "_(KEY|TOKEN|PASSWORD|SECRET)$" $variable) -}}
{{- fail (printf "services.%s.env.%s: this is secret, and belongs into the Secret that secret.name names" $row.name $variable) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- /* A proxy that cannot read a provider's key does not start. */ -}}
{{- $providers := (index .Values.services "inference-proxy").env.WARMPATH_PROVIDERS | default "" -}}
{{- range $found := regexFindAll "key-file=/run/secrets/[^ ,]+" $providers -1 -}}
{{- $name := trimPrefix "key-file=/run/secrets/" $found -}}
{{- if not (has $name (concat $.Values.secret.providerKeys $.Values.secret.optionalKeys)) -}}
{{- fail (printf "services.inference-proxy.env.WARMPATH_PROVIDERS: the key file %s is no pod's: list it in secret.providerKeys" $name) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* What the code waits, by its variables, may not be longer than what a route allows: the matrix says which is below which. */}}
{{- define "warmpath.validate.waits" -}}
{{- $matrix := include "warmpath.table" . | fromYaml -}}
{{- /* Without either there is no route. */ -}}
{{- range $wait := ternary $matrix.waits list (or .Values.mesh.enabled .Values.ingress.enabled) -}}
{{- $env := (index $.Values.services $wait.service).env -}}
{{- $milliseconds := 0 -}}
{{- range $variable, $default := $wait.settings }}{{ $milliseconds = add $milliseconds (get $env $variable | default $default | int64) }}{{ end -}}
{{- range $row := $matrix.services -}}
{{- range $proto, $rpc := $row.rpcs -}}
{{- range $method, $one := $rpc.methods -}}
{{- $path := printf "%s/%s" $proto $method -}}
{{- if and $one.timeoutSeconds (or (has $path $wait.below) (has $proto $wait.below)) -}}
{{- include "warmpath.validate.oneWait" (dict "wait" $wait "milliseconds" $milliseconds "path" $path "seconds" $one.timeoutSeconds) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $one := $row.paths -}}
{{- if has $one.path $wait.below -}}
{{- include "warmpath.validate.oneWait" (dict "wait" $wait "milliseconds" $milliseconds "path" $one.path "seconds" $one.timeoutSeconds) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "warmpath.validate.oneWait" -}}
{{- if gt (int64 .milliseconds) (mul 1000 (int64 .seconds)) -}}
{{- fail (printf "services.%s.env: %s make %d ms, and the route of %s ends a call after %d s" .wait.service (keys .wait.settings | sortAlpha | join " and ") (int64 .milliseconds) .path (int64 .seconds)) -}}
{{- end -}}
{{- end }}

{{/* Kubernetes refuses such a pod, but only when it is made: the release would hang half way. */}}
{{- define "warmpath.validate.memory" -}}
{{- range $name, $service := .Values.services -}}
{{- $request := $service.resources.requests.memory -}}
{{- $limit := $service.resources.limits.memory -}}
{{- if gt (int64 (include "warmpath.mebibytes" $request)) (int64 (include "warmpath.mebibytes" $limit)) -}}
{{- fail (printf "services.%s: requests.memory (%s) is above limits.memory (%s)" $name $request $limit) -}}
{{- end -}}
{{- end -}}
{{- range $class := .Values.vllm.classes -}}
{{- $request := int64 (include "warmpath.mebibytes" $class.resources.requests.memory) -}}
{{- $limit := int64 (include "warmpath.mebibytes" $class.resources.limits.memory) -}}
{{- if or (gt $request $limit) (ge (mul $class.shmGiB 1024) $limit) -}}
{{- fail (printf "vllm.classes: %s: limits.memory (%s) must be above shmGiB (%d), which it holds, and not below requests.memory (%s)" $class.name $class.resources.limits.memory (int $class.shmGiB) $class.resources.requests.memory) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Services, budgets and network policies find pods by these: said twice, one of the two would win unseen. */}}
{{- define "warmpath.validate.podLabels" -}}
{{- range $label := keys (.Values.podLabels | default dict) | sortAlpha -}}
{{- $isMesh := and $.Values.mesh.enabled (has $label (list "sidecar.istio.io/inject" "istio.io/dataplane-mode")) -}}
{{- if or $isMesh (regexMatch "^(app[.]kubernetes[.]io|helm[.]sh|warmpath)/" $label) -}}
{{- fail (printf "podLabels.%s: the chart sets this label itself" $label) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The second of two classes of one name would take the first one's place. */}}
{{- define "warmpath.validate.classNames" -}}
{{- $names := list -}}
{{- range $class := .Values.vllm.classes -}}
{{- if has $class.name $names -}}
{{- fail (printf "vllm.classes: there are two of the name %s" $class.name) -}}
{{- end -}}
{{- $names = append $names $class.name -}}
{{- end -}}
{{- end }}

{{/* A quantity of memory such as 512Mi or 1Gi, in MiB; what is smaller counts as none. */}}
{{- define "warmpath.mebibytes" -}}
{{- if hasSuffix "Gi" . -}}
{{ mul (trimSuffix "Gi" . | int64) 1024 }}
{{- else if hasSuffix "Mi" . -}}
{{ trimSuffix "Mi" . }}
{{- else -}}
{{ div (trimSuffix "Ki" . | int64) 1024 }}
{{- end -}}
{{- end }}
