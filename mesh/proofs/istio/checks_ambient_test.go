package istioproof

// Who may call what in ambient mode, where two judge it: the waypoint sees methods, and the ztunnel of the callee's node lets
// nobody past the waypoint.

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"istio.io/istio/pilot/test/xdstest"
	"istio.io/istio/pkg/workloadapi"
)

// ambientChecks stand in for those of sidecars. The way in is the same.
var ambientChecks = []check{
	{"every cell of caller and method, by waypoint and ztunnel", checkAmbientCells},
	{"nobody comes to a pod but by the waypoint", checkZtunnels},
	{"routes and timeouts of the waypoint", checkWaypointRoutes},
	{"services behind the waypoint", checkWaypoint},
	{"the way in", checkIngress},
	{"browsers of other origins", checkCors},
}

// TestAmbient: what istiod tells ztunnels and the waypoint is what the matrix says.
func TestAmbient(t *testing.T) {
	withAmbient(t)
	runChecks(t, readEstate(t, "ambient").start(t, nil), ambientChecks)
}

// waypointPrincipal is the identity of the waypoint in a trust domain.
func (w *world) waypointPrincipal(domain string) string {
	p, _ := w.waypoint()
	return p.principal(domain)
}

// checkAmbientCells compares every cell of caller × method × port with what the waypoint lets through to a pod whose ztunnel
// lets the waypoint in.
func checkAmbientCells(t *testing.T, w *world) (bad []string, cells int) {
	callers := w.callers(t)
	for _, r := range w.matrix.Rows {
		ztunnel := w.ztunnelOf(w.mustPod(t, workload(r.Name)))
		for _, port := range []int{r.HTTP, r.GRPC} {
			gate := gateAt(w.atWaypoint(t, r, port))
			isLetOn := ztunnel.lets(request{principal: w.waypointPrincipal(w.trustDomain()), port: uint32(port)})
			for _, want := range expectations(w.matrix, r, port) {
				for _, from := range callers {
					cells += 2
					isWanted := slices.Contains(want.callers, from.name)
					if got := isLetOn && gate.lets(request{from.principal, want.path, want.verb, "10.77.9.9", uint32(port)}); got != isWanted {
						bad = append(bad, fmt.Sprintf("%s -> %s:%d %s %s: got %v, the matrix says %v", from.name, r.Name, port, want.verb, want.path, got, isWanted))
					}
					if gate.lets(request{from.principal, want.path, want.verb, "10.77.9.9", otherPort}) {
						bad = append(bad, fmt.Sprintf("%s -> %s on a port that the matrix does not know: %s %s is let through", from.name, r.Name, want.verb, want.path))
					}
				}
			}
		}
	}
	return bad, cells
}

// checkZtunnels: to a pod of a row comes the waypoint and nobody else, on any port; to other pods nobody at all; and nothing
// in plain text. What ztunnel sees of a policy is all of it.
func checkZtunnels(t *testing.T, w *world) (bad []string, looked int) {
	callers := append(w.callers(t), caller{"the waypoint", w.waypointPrincipal(w.trustDomain())}, caller{"the waypoint of another trust domain", w.waypointPrincipal("elsewhere.example")})
	for _, p := range w.pods {
		if !p.isAmbient || p.namespace != namespace {
			continue
		}
		if told := w.workload(p); told.GetTunnelProtocol() != workloadapi.TunnelProtocol_HBONE {
			bad = append(bad, fmt.Sprintf("%s is spoken to by %v", p.name, told.GetTunnelProtocol()))
		}
		gate := w.ztunnelOf(p)
		ports := []int{otherPort}
		for _, port := range p.ports {
			ports = append(ports, port)
		}
		for _, port := range ports {
			looked++
			if !some(gate.deny, request{port: uint32(port)}.isOf) {
				bad = append(bad, fmt.Sprintf("%s:%d: no policy refuses plain text", p.name, port))
			}
			for _, from := range callers {
				looked++
				isWanted := from.name == "the waypoint" && p.workload != workload(strangerName)
				if got := gate.lets(request{principal: from.principal, port: uint32(port)}); got != isWanted {
					bad = append(bad, fmt.Sprintf("%s -> the pod %s:%d past the waypoint: got %v, want %v", from.name, p.name, port, got, isWanted))
				}
			}
		}
	}
	for _, policy := range w.server.Env().AmbientIndexes.Policies(nil) {
		looked++
		if status := policy.Binding.Status; status != nil {
			bad = append(bad, fmt.Sprintf("policy %s: %s: %s", policy.Source.Name, status.Reason, status.Message))
		}
	}
	return bad, looked
}

// checkWaypointRoutes: a method that anybody may call over gRPC is routed there, within its time, and tried once; no other is.
// Over HTTP the ingress has held the time already.
func checkWaypointRoutes(t *testing.T, w *world) (bad []string, looked int) {
	for _, c := range w.matrix.Cells {
		server := w.matrix.row(c.Server)
		for _, port := range []int{server.GRPC, server.HTTP} {
			manager := w.atWaypoint(t, server, port)
			if manager == nil || port == server.GRPC && !c.IsRPC {
				continue
			}
			looked++
			got := taken{err: fmt.Errorf("no route")}
			for _, host := range manager.GetRouteConfig().GetVirtualHosts() {
				got = routeIn(host, c.example(), c.Verbs[0])
				got.connection = manager
			}
			want, name := c, fmt.Sprintf("inbound-vip|%d|http|%s", port, fqdn(workload(c.Server)))
			// What nobody may call has no route, where any method has one; elsewhere the policy alone refuses it.
			if len(c.callersOn(server, port)) == 0 {
				if port == server.GRPC && isTargetOfRoutes(w, server) && got.err == nil {
					bad = append(bad, fmt.Sprintf("waypoint: %s is routed, and nobody may call it", c))
				}
				continue
			}
			// No resource of the Gateway API that istiod reads says how often again.
			want.Retries = 0
			if port == server.HTTP {
				want.TimeoutSeconds = 0
			}
			for _, fault := range want.boundsFaults(got, "") {
				bad = append(bad, fmt.Sprintf("waypoint: %s on %d: %s", c, port, fault))
			}
			if got.err == nil && got.clusters[name] != 100 {
				bad = append(bad, fmt.Sprintf("waypoint: %s on %d goes to %v", c, port, got.clusters))
			}
		}
	}
	return bad, looked
}

// isTargetOfRoutes: somebody may call a method of the row over gRPC.
func isTargetOfRoutes(w *world, server row) bool {
	return slices.ContainsFunc(w.matrix.Cells, func(c cell) bool {
		return c.Server == server.Name && c.IsRPC && len(c.Callers) > 0
	})
}

// checkWaypoint: every Service of the release is behind it, for services and for clients; it takes no call for a pod's own
// address, which no policy of a service would judge; and no answer sets a pod aside.
func checkWaypoint(t *testing.T, w *world) (bad []string, looked int) {
	p, isThere := w.waypoint()
	if !isThere {
		return []string{"there is no waypoint"}, 1
	}
	for _, r := range w.matrix.Rows {
		looked++
		host := fqdn(workload(r.Name))
		told := w.server.Env().AmbientIndexes.ServiceInfo(namespace + "/" + host)
		if told == nil {
			bad = append(bad, fmt.Sprintf("%s: no ztunnel is told of it", host))
			continue
		}
		if by := told.Service.GetWaypoint().GetHostname().GetHostname(); by != fqdn(p.workload) {
			bad = append(bad, fmt.Sprintf("%s: calls go by %q, want %s", host, by, fqdn(p.workload)))
		}
		if !told.Waypoint.IngressUseWaypoint {
			bad = append(bad, fmt.Sprintf("%s: the ingress goes past the waypoint", host))
		}
	}
	sim := w.simulate(t, p)
	clusters := xdstest.ExtractClusters(sim.Clusters)
	for _, r := range w.matrix.Rows {
		for _, port := range []int{r.HTTP, r.GRPC} {
			if !isTargetOfRoutes(w, r) {
				continue
			}
			looked++
			name := fmt.Sprintf("inbound-vip|%d|http|%s", port, fqdn(workload(r.Name)))
			if clusters[name] == nil {
				bad = append(bad, fmt.Sprintf("waypoint: no cluster %s", name))
				continue
			}
			for _, fault := range clusterFaults(clusters[name]) {
				bad = append(bad, fmt.Sprintf("waypoint: %s: %s", name, fault))
			}
		}
	}
	for _, l := range sim.Listeners {
		if l.Name != "main_internal" {
			continue
		}
		looked++
		taken := prototext.Format(l.FilterChainMatcher)
		for _, other := range w.pods {
			if strings.Contains(taken, fmt.Sprintf("%q", other.ip)) {
				bad = append(bad, fmt.Sprintf("waypoint: takes calls to the address of %s", other.name))
			}
		}
	}
	return bad, looked
}
