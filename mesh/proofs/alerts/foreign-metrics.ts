/** A metric that others expose: nothing here can be scraped for it, so its source is named. */
interface ForeignMetric {
  readonly name: string;
  readonly labels: readonly string[];
  /** Where its definition can be read. */
  readonly source: string;
}

const istio = "istio/istio, 1.31 branch of 2026-08-27";

/** What rules, dashboards and triggers may ask for beside our own and the engines'. */
export const foreignMetrics: readonly ForeignMetric[] = [
  {
    name: "istio_agent_cert_expiry_seconds",
    labels: ["resource_name"],
    source: `${istio}: security/pkg/nodeagent/cache/monitoring.go; the agent's prefix: pilot/cmd/pilot-agent/status/server.go`,
  },
  {
    name: "citadel_server_root_cert_expiry_seconds",
    labels: [],
    source: `${istio}: security/pkg/server/ca/monitoring.go`,
  },
  {
    name: "citadel_server_cert_chain_expiry_seconds",
    labels: [],
    source: `${istio}: security/pkg/server/ca/monitoring.go`,
  },
  {
    name: "pilot_total_xds_rejects",
    labels: ["type"],
    source: `${istio}: pkg/xds/monitoring.go`,
  },
  {
    name: "kube_pod_container_status_restarts_total",
    labels: ["namespace", "pod", "container", "uid"],
    source: "kubernetes/kube-state-metrics: docs/metrics/workload/pod-metrics.md",
  },
];

/** Labels that Prometheus puts on every sample of a pod monitor, and one that ours adds. */
export const targetLabels: readonly string[] = [
  ...["namespace", "pod", "container", "job", "endpoint", "instance"],
  "warmpath_track",
];
