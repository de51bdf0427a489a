package istioproof

// Several clusters in one mesh: what the others may call by way of the east-west gateway, whose pods a call ends at, and
// where the clients of a tenant are sent.

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"istio.io/istio/pilot/pkg/simulation"
)

// clusterChecks are for the render that stands beside another.
var clusterChecks = []check{
	{"calls of the other cluster", checkEastWest},
	{"endpoints of the other cluster", checkFarEndpoints},
	{"tenants' own names", checkHomes},
}

// throughEastWest is the SNI of a call to a row's port, which says to the gateway where it goes.
func throughEastWest(r row, port int) string {
	return fmt.Sprintf("outbound_.%d_._.%s", port, fqdn(workload(r.Name)))
}

// checkEastWest: caller × method × port once more, for callers of the other cluster. They are in one trust domain with ours
// and have the same names; a way in there is to shared rows alone, it opens no TLS, and the callee's policy decides.
func checkEastWest(t *testing.T, w *world) (bad []string, cells int) {
	gateway, isThere := w.podOf(eastWestName)
	if !isThere {
		return []string{"the chart refers to no east-west gateway"}, 1
	}
	sim := w.simulate(t, gateway)
	for _, r := range w.matrix.Rows {
		isShared := slices.Contains(w.setting.Clusters.Shared, r.Name)
		for _, port := range []int{r.HTTP, r.GRPC} {
			sni := throughEastWest(r, port)
			hit := sim.Run(simulation.Call{Port: w.setting.Clusters.EastWest.Port, Protocol: simulation.TCP, TLS: simulation.MTLS, Sni: sni, CallMode: simulation.CallModeGateway})
			hasWay := reached(hit) != ""
			if hasWay && reached(hit) != sni {
				bad = append(bad, fmt.Sprintf("east-west: %s goes to %s", sni, reached(hit)))
			}
			gate := w.gateOf(t, w.mustPod(t, workload(r.Name)), port)
			for _, want := range expectations(w.matrix, r, port) {
				for _, from := range w.callers(t) {
					cells++
					isWanted := isShared && slices.Contains(want.callers, from.name)
					got := hasWay && gate.lets(request{from.principal, want.path, want.verb, gateway.ip, uint32(port)})
					if got != isWanted {
						bad = append(bad, fmt.Sprintf("%s of the other cluster -> %s:%d %s %s: got %v, want %v", from.name, r.Name, port, want.verb, want.path, got, isWanted))
					}
				}
			}
			if isShared != hasWay {
				bad = append(bad, fmt.Sprintf("east-west: %s: got a way %v, want %v", sni, hasWay, isShared))
			}
		}
	}
	return append(bad, openedFaults(sim, gateway)...), cells
}

// openedFaults: the gateway neither ends TLS nor begins it, and knows of no pod but this cluster's.
func openedFaults(sim *simulation.Simulation, gateway pod) (bad []string) {
	for _, l := range sim.Listeners {
		for _, chain := range l.FilterChains {
			if chain.TransportSocket != nil {
				bad = append(bad, fmt.Sprintf("east-west: %s opens the TLS of %v", l.Name, chain.GetFilterChainMatch().GetServerNames()))
			}
		}
	}
	for _, c := range sim.Clusters {
		if strings.HasPrefix(c.Name, "outbound_.") && (c.TransportSocket != nil || len(c.TransportSocketMatches) != 0) {
			bad = append(bad, fmt.Sprintf("east-west: TLS around TLS to %s from %s", c.Name, gateway.name))
		}
	}
	return bad
}

// checkFarEndpoints: a call ends at a pod of this cluster, by its own address; at the other cluster's only where a row is
// shared, by the address of its east-west gateway, over mutual TLS, and after every near one.
func checkFarEndpoints(t *testing.T, w *world) (bad []string, looked int) {
	far := w.setting.Clusters.Peers[0]
	for _, p := range append(w.callerPods(t), w.gatewayPod(t)) {
		assignments := map[string]*endpoint.ClusterLoadAssignment{}
		for _, each := range w.server.Endpoints(w.server.SetupProxy(w.proxyOf(p))) {
			assignments[each.ClusterName] = each
		}
		for _, r := range w.matrix.Rows {
			for _, port := range []int{r.HTTP, r.GRPC} {
				given := assignments[fmt.Sprintf("outbound|%d||%s", port, fqdn(workload(r.Name)))]
				if given == nil {
					continue
				}
				looked++
				say := func(format string, args ...any) {
					bad = append(bad, fmt.Sprintf("%s -> %s:%d: ", p.workload, r.Name, port)+fmt.Sprintf(format, args...))
				}
				near := fmt.Sprintf("%s:%d", w.mustPod(t, workload(r.Name)).ip, port)
				want := []string{near + " of priority 0 over istio"}
				if slices.Contains(w.setting.Clusters.Shared, r.Name) {
					want = append(want, fmt.Sprintf("%s:%d of priority 1 over istio", far.address(), w.setting.Clusters.EastWest.Port))
				}
				if got := placesOf(given); !slices.Equal(got, want) {
					say("goes to %v, want %v", got, want)
				}
			}
		}
	}
	return bad, looked
}

// callerPods are the pods of rows that call others.
func (w *world) callerPods(t *testing.T) (out []pod) {
	for _, r := range w.matrix.Rows {
		if len(r.Calls) > 0 {
			out = append(out, w.mustPod(t, workload(r.Name)))
		}
	}
	return out
}

// placesOf are the addresses of a cluster's endpoints, the nearest first, each with how far it is and by what TLS.
func placesOf(given *endpoint.ClusterLoadAssignment) (out []string) {
	for _, place := range given.Endpoints {
		for _, each := range place.LbEndpoints {
			socket := each.GetEndpoint().GetAddress().GetSocketAddress()
			mode := each.GetMetadata().GetFilterMetadata()["envoy.transport_socket_match"].GetFields()["tlsMode"].GetStringValue()
			out = append(out, fmt.Sprintf("%s:%d of priority %d over %s", socket.GetAddress(), socket.GetPortValue(), place.Priority, mode))
		}
	}
	slices.SortFunc(out, func(a, b string) int { return strings.Compare(afterSpace(a)+a, afterSpace(b)+b) })
	return out
}

func afterSpace(text string) string { _, rest, _ := strings.Cut(text, " "); return rest }

// checkHomes: a tenant's own name is served where its record is, as the shared name is; elsewhere every call of its clients
// is sent home, with its method and path.
func checkHomes(t *testing.T, w *world) (bad []string, looked int) {
	sim := w.simulate(t, w.gatewayPod(t))
	for _, name := range w.hostnames() {
		looked++
		if got := take(t, sim, callIn(name, "/nobody/serves/this"), "GET"); got.route.GetRedirect() != nil && !w.setting.isMoved(name) {
			bad = append(bad, fmt.Sprintf("what nobody serves under %s is sent to %s", name, got.route.GetRedirect().GetHostRedirect()))
		}
	}
	for _, home := range w.setting.Clusters.Homes {
		for _, c := range w.matrix.Cells {
			if !slices.Contains(c.Callers, "ingress") {
				continue
			}
			looked++
			got := take(t, sim, callIn(home.Hostname, c.example()), c.Verbs[0])
			say := func(format string, args ...any) {
				bad = append(bad, fmt.Sprintf("%s under %s: ", c, home.Hostname)+fmt.Sprintf(format, args...))
			}
			if home.Cluster != w.setting.Clusters.Name {
				if fault := redirectFault(got.route.GetRedirect(), w.setting.hostOf(home.Cluster)); fault != "" {
					say("%s", fault)
				}
				continue
			}
			want, server := c, w.matrix.row(c.Server)
			want.Retries = 0
			for _, fault := range want.boundsFaults(got, "") {
				say("%s", fault)
			}
			if to := w.clustersOf(server, server.HTTP); got.err == nil && fmt.Sprint(got.clusters) != fmt.Sprint(to) {
				say("goes to %v, want %v", got.clusters, to)
			}
		}
	}
	return bad, looked
}

// isMoved: the name of a tenant whose record is in another cluster.
func (s setting) isMoved(name string) bool {
	return slices.ContainsFunc(s.Clusters.Homes, func(h home) bool { return h.Hostname == name && h.Cluster != s.Clusters.Name })
}

// hostOf is the name of a peer's ingress.
func (s setting) hostOf(cluster string) string {
	for _, p := range s.Clusters.Peers {
		if p.Name == cluster {
			return p.Hostname
		}
	}
	return ""
}

func redirectFault(got *route.RedirectAction, host string) string {
	// 307 alone keeps method and body without being remembered.
	if got.GetHostRedirect() == host && got.GetSchemeRedirect() == "https" && got.GetResponseCode() == route.RedirectAction_TEMPORARY_REDIRECT &&
		got.GetPathRedirect() == "" && got.GetPrefixRewrite() == "" && got.GetRegexRewrite() == nil && !got.GetStripQuery() {
		return ""
	}
	return fmt.Sprintf("redirected by %v, want 307 to https://%s", got, host)
}
