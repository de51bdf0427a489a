package istioproof

// From caller to callee: the route of each method, the clusters it goes to, and what a caller cannot reach at all.

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"istio.io/istio/pilot/pkg/simulation"
	"istio.io/istio/pilot/test/xdstest"
)

// service is the Service document of a workload.
func (w *world) service(t *testing.T, name string) doc {
	for _, d := range w.docs {
		if d.kind() == "Service" && d.name() == name {
			return d
		}
	}
	t.Fatalf("the render has no Service %s", name)
	return nil
}

// callTo is a gRPC call of a sidecar's application to a service of the release.
func (w *world) callTo(t *testing.T, server row, path string) simulation.Call {
	name := workload(server.Name)
	return simulation.Call{
		Address: w.service(t, name).text("spec", "clusterIP"), Port: server.GRPC, Protocol: simulation.HTTP2, Path: path,
		HostHeader: fmt.Sprintf("%s:%d", name, server.GRPC), CallMode: simulation.CallModeOutbound,
	}
}

// clustersOf is where calls to a row's port go, with their share.
func (w *world) clustersOf(r row, port int) map[string]int {
	name := func(workload string) string { return fmt.Sprintf("outbound|%d||%s", port, fqdn(workload)) }
	if share, isCanary := w.canary[r.Name]; isCanary {
		return map[string]int{name(workload(r.Name)): 100 - share, name(workload(r.Name) + "-canary"): share}
	}
	return map[string]int{name(workload(r.Name)): 100}
}

// checkRoutes: every method that a row may call has its route, timeout and retries, and no other has a route at all.
func checkRoutes(t *testing.T, w *world) (bad []string, looked int) {
	for _, from := range w.matrix.Rows {
		sim := w.simulate(t, w.mustPod(t, workload(from.Name)))
		for _, c := range w.matrix.Cells {
			server := w.matrix.row(c.Server)
			if !c.IsRPC || c.Server == from.Name {
				continue
			}
			looked++
			got := take(t, sim, w.callTo(t, server, c.Path), "POST")
			if !slices.Contains(from.Calls, c.Server) || len(without(c.Callers, "ingress")) == 0 {
				if isRouted(got) {
					bad = append(bad, fmt.Sprintf("%s -> %s is routed to %v, and may not be called", from.Name, c, got.clusters))
				}
				continue
			}
			for _, fault := range c.boundsFaults(got, w.matrix.RetryOn) {
				bad = append(bad, fmt.Sprintf("%s -> %s: %s", from.Name, c, fault))
			}
			if want := w.clustersOf(server, server.GRPC); got.err == nil && fmt.Sprint(got.clusters) != fmt.Sprint(want) {
				bad = append(bad, fmt.Sprintf("%s -> %s goes to %v, want %v", from.Name, c, got.clusters, want))
			}
		}
		looked++
		if stray := take(t, sim, w.callTo(t, w.matrix.row("state"), "/warmpath.state.v1.TaskService/NoSuchMethod"), "POST"); isRouted(stray) {
			bad = append(bad, fmt.Sprintf("%s: a method that nobody serves is routed to %v", from.Name, stray.clusters))
		}
	}
	return bad, looked
}

func isRouted(got taken) bool {
	return got.err == nil && got.clusters["BlackHoleCluster"] == 0
}

func without(items []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(items), func(item string) bool { return item == one })
}

// checkInbound: nothing at the callee's sidecar ends a call by the clock, or tries it again.
func checkInbound(t *testing.T, w *world) (bad []string, looked int) {
	for _, r := range w.matrix.Rows {
		p := w.mustPod(t, workload(r.Name))
		for _, port := range []int{r.HTTP, r.GRPC} {
			looked++
			got := take(t, w.simulate(t, p), simulation.Call{
				Address: p.ip, Port: port, Path: "/any", Protocol: simulation.HTTP2, TLS: simulation.MTLS, CallMode: simulation.CallModeInbound}, "POST")
			if got.err != nil {
				bad = append(bad, fmt.Sprintf("%s:%d: %v", p.name, port, got.err))
				continue
			}
			// Or a path in other letters would be another one to the policies, and the same to us.
			if !got.connection.GetNormalizePath().GetValue() || !got.connection.GetMergeSlashes() {
				bad = append(bad, fmt.Sprintf("%s:%d: policies see paths as they come", p.name, port))
			}
			if got.timeout != 0 {
				bad = append(bad, fmt.Sprintf("%s:%d: the sidecar ends calls after %v", p.name, port, got.timeout))
			}
			// Istio's own for plain HTTP: only where the request was not taken from the connection at all.
			if got.retries > 0 && got.retryOn != "reset-before-request" {
				bad = append(bad, fmt.Sprintf("%s:%d: the sidecar tries again on %q", p.name, port, got.retryOn))
			}
			for _, fault := range streamFaults(got) {
				bad = append(bad, fmt.Sprintf("%s:%d: %s", p.name, port, fault))
			}
		}
	}
	return bad, looked
}

// checkClusters: calls to the release's own services are mutual TLS with exactly the callee's identity, balanced by what
// is open, quick to give up on a pod that does not answer, and no answer sets a pod aside.
func checkClusters(t *testing.T, w *world) (bad []string, looked int) {
	for _, from := range w.matrix.Rows {
		clusters := xdstest.ExtractClusters(w.simulate(t, w.mustPod(t, workload(from.Name))).Clusters)
		for _, callee := range from.Calls {
			server := w.matrix.row(callee)
			for name := range w.clustersOf(server, server.GRPC) {
				looked++
				c := clusters[name]
				if c == nil {
					bad = append(bad, fmt.Sprintf("%s has no cluster %s", from.Name, name))
					continue
				}
				for _, fault := range clusterFaults(c) {
					bad = append(bad, fmt.Sprintf("%s -> %s: %s", from.Name, name, fault))
				}
				if want := w.mustPod(t, workload(callee)).principal(w.trustDomain()); !slices.Equal(peers(t, c), []string{want}) {
					bad = append(bad, fmt.Sprintf("%s -> %s accepts %v as the callee, want %s alone", from.Name, name, peers(t, c), want))
				}
			}
		}
	}
	return bad, looked
}

func clusterFaults(c *cluster.Cluster) (bad []string) {
	if c.LbPolicy != cluster.Cluster_LEAST_REQUEST {
		bad = append(bad, fmt.Sprintf("balanced by %v", c.LbPolicy))
	}
	if c.GetConnectTimeout().AsDuration().Seconds() > 5 {
		bad = append(bad, fmt.Sprintf("waits %v for a connection", c.GetConnectTimeout().AsDuration()))
	}
	ejection := c.GetOutlierDetection()
	if ejection == nil {
		return append(bad, "no pod is ever set aside")
	}
	if busyCanEject(ejection) {
		bad = append(bad, fmt.Sprintf("answers such as 503 and 429 set a pod aside: %v", ejection))
	}
	if !ejection.SplitExternalLocalOriginErrors || ejection.GetConsecutiveLocalOriginFailure().GetValue() == 0 || ejection.GetEnforcingConsecutiveLocalOriginFailure().GetValue() == 0 && ejection.EnforcingConsecutiveLocalOriginFailure != nil {
		bad = append(bad, fmt.Sprintf("a pod that cannot be reached is not set aside: %v", ejection))
	}
	if most := ejection.GetMaxEjectionPercent().GetValue(); most == 0 || most > 50 {
		bad = append(bad, fmt.Sprintf("%d %% of the pods may be set aside", most))
	}
	return bad
}

// busyCanEject says whether what a pod answers can set it aside. What Envoy enforces when nothing is said: consecutive
// 5xx and success rate wholly, gateway errors and failure percentage not at all.
func busyCanEject(o *cluster.OutlierDetection) bool {
	return o.EnforcingConsecutive_5Xx == nil || o.EnforcingConsecutive_5Xx.Value > 0 ||
		o.GetEnforcingConsecutiveGatewayFailure().GetValue() > 0 ||
		o.EnforcingSuccessRate == nil || o.EnforcingSuccessRate.Value > 0 ||
		o.GetEnforcingFailurePercentage().GetValue() > 0
}

// checkScope: a sidecar knows only what its row calls.
func checkScope(t *testing.T, w *world) (bad []string, looked int) {
	for _, from := range w.matrix.Rows {
		for _, c := range w.simulate(t, w.mustPod(t, workload(from.Name))).Clusters {
			parts := strings.Split(c.Name, "|")
			if len(parts) != 4 || parts[0] != "outbound" {
				continue
			}
			looked++
			for _, other := range w.matrix.Rows {
				isOther := parts[3] == fqdn(workload(other.Name)) || parts[3] == fqdn(workload(other.Name)+"-canary")
				if isOther && !slices.Contains(from.Calls, other.Name) {
					bad = append(bad, fmt.Sprintf("%s knows of %s, which it never calls", from.Name, c.Name))
				}
			}
		}
	}
	return bad, looked
}
