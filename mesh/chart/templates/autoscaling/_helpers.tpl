{{/*
A trigger on one number of Prometheus's. Context is a dict: root, query, threshold, type (AverageValue: the number
divided by the pods is held at the threshold; Value: the number itself).

The query must give one series, which KEDA insists on: it is aggregated without labels. ignoreNullValues false: no
data is a failure, which the fallback answers, and not a zero, which would scale in while Prometheus is away.
*/}}
{{- define "warmpath.scale.prometheus" -}}
{{- $prometheus := .root.Values.autoscaling.prometheus -}}
- type: prometheus
  metricType: {{ .type }}
  metadata:
    serverAddress: {{ $prometheus.url }}
    query: {{ .query | quote }}
    threshold: {{ toString .threshold | quote }}
    ignoreNullValues: "false"
    {{- if ne $prometheus.auth "none" }}
    authModes: {{ $prometheus.auth }}
    {{- end }}
  {{- if ne $prometheus.auth "none" }}
  authenticationRef: { name: {{ include "warmpath.name" (dict "root" .root "name" "prometheus") }} }
  {{- end }}
{{- end }}

{{/* A trigger on what one lane's consumer has not acknowledged. Context is a dict: root, lane, threshold. */}}
{{- define "warmpath.scale.lag" -}}
{{- $nats := .root.Values.autoscaling.nats -}}
- type: nats-jetstream
  metricType: AverageValue
  metadata:
    natsServerMonitoringEndpoint: {{ $nats.endpoint | quote }}
    account: {{ $nats.account | quote }}
    useHttps: {{ toString $nats.https | quote }}
    # Names of the code (state/src/queue/nats-queue.ts); older KEDA takes a wrong one for a full queue.
    stream: WARMPATH
    consumer: {{ .lane }}
    lagThreshold: {{ toString .threshold | quote }}
{{- end }}

{{/* Bounds, and how fast: context is a dict: root, name, target, bounds, downSeconds, downEverySeconds. */}}
{{- define "warmpath.scale.object" -}}
{{- $bounds := .bounds -}}
{{- if gt (int $bounds.minReplicas) (int $bounds.maxReplicas) -}}
{{- fail (printf "autoscaling: %s has minReplicas %d above maxReplicas %d" .name (int $bounds.minReplicas) (int $bounds.maxReplicas)) -}}
{{- end -}}
{{- if or (lt (int $bounds.fallbackReplicas) (int $bounds.minReplicas)) (gt (int $bounds.fallbackReplicas) (int $bounds.maxReplicas)) -}}
{{- fail (printf "autoscaling: %s falls back to %d pods, which is not between minReplicas and maxReplicas" .name (int $bounds.fallbackReplicas)) -}}
{{- end -}}
scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: {{ .target }} }
minReplicaCount: {{ int $bounds.minReplicas }}
maxReplicaCount: {{ int $bounds.maxReplicas }}
pollingInterval: {{ int .root.Values.autoscaling.pollingSeconds }}
# Without data: as many as there are, and no fewer than this.
fallback:
  failureThreshold: {{ int .root.Values.autoscaling.fallbackAfter }}
  replicas: {{ int $bounds.fallbackReplicas }}
  behavior: currentReplicasIfHigher
advanced:
  # What was scaled stays as it is when this object goes.
  restoreToOriginalReplicaCount: false
  horizontalPodAutoscalerConfig:
    behavior:
      # Up at once: twice as many every fifteen seconds, or four more, whichever is more.
      scaleUp:
        stabilizationWindowSeconds: 0
        selectPolicy: Max
        policies:
          - { type: Percent, value: 100, periodSeconds: 15 }
          - { type: Pods, value: 4, periodSeconds: 15 }
      # Down late, and one by one: each pod that goes takes warm caches or open streams with it.
      scaleDown:
        stabilizationWindowSeconds: {{ .downSeconds }}
        policies:
          - { type: Pods, value: 1, periodSeconds: {{ .downEverySeconds }} }
{{- end }}
