package istioproof

// The way in: what the Gateway's two names route, for how long, and that everything else ends there.

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	accesslog "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"istio.io/istio/pilot/pkg/simulation"
	"istio.io/istio/pilot/test/xdstest"
)

func (w *world) gatewayPod(t *testing.T) pod {
	for _, p := range w.pods {
		if p.isGateway {
			return p
		}
	}
	t.Fatal("the render has no Gateway of class istio")
	return pod{}
}

// hostnames of the Gateway's listeners, by their names.
func (w *world) hostnames() map[string]string {
	out := map[string]string{}
	for _, d := range w.docs {
		if d.kind() == "Gateway" && strings.HasPrefix(d.text("apiVersion"), "gateway.networking.k8s.io/") {
			for _, listener := range d.list("spec", "listeners") {
				out[listener.text("name")] = listener.text("hostname")
			}
		}
	}
	return out
}

func callIn(host, path string) simulation.Call {
	return simulation.Call{Port: 443, Protocol: simulation.HTTP2, TLS: simulation.TLS, Sni: host, HostHeader: host, Path: path, CallMode: simulation.CallModeGateway}
}

// checkIngress: each cell that clients may call is routed under its name and protocol, within its time, and tried once.
func checkIngress(t *testing.T, w *world) (bad []string, looked int) {
	p := w.gatewayPod(t)
	sim := w.simulate(t, p)
	names := w.hostnames()
	say := func(format string, args ...any) { bad = append(bad, fmt.Sprintf("ingress: "+format, args...)) }
	var last taken
	for _, c := range w.matrix.Cells {
		for _, listener := range []string{"https", "grpc"} {
			looked++
			server := w.matrix.row(c.Server)
			want, port := c, server.HTTP
			// A client knows what may be asked again, and a GRPCRoute has no timeout: its deadline travels with the call.
			want.Retries = 0
			if listener == "grpc" {
				want.TimeoutSeconds, port = 0, server.GRPC
			}
			got := take(t, sim, callIn(names[listener], c.example()), c.Verbs[0])
			if !slices.Contains(c.Callers, "ingress") || listener == "grpc" && !c.IsRPC {
				if got.err == nil && !w.isPublic(got, listener, c) {
					say("%s is routed under %s to %v, and clients may not call it", c, names[listener], got.clusters)
				}
				continue
			}
			for _, fault := range want.boundsFaults(got, "") {
				say("%s under %s: %s", c, names[listener], fault)
			}
			if to := w.clustersOf(server, port); got.err == nil && fmt.Sprint(got.clusters) != fmt.Sprint(to) {
				say("%s under %s goes to %v, want %v", c, names[listener], got.clusters, to)
			}
			if got.err == nil {
				last = got
			}
		}
	}
	looked += 3
	if got := take(t, sim, callIn("elsewhere.example.com", "/"), "GET"); got.err == nil {
		say("a name that is not ours is routed to %v", got.clusters)
	}
	if hit := sim.Run(simulation.Call{Port: 80, Protocol: simulation.HTTP, HostHeader: names["https"], Path: "/", CallMode: simulation.CallModeGateway}); hit.Error == nil {
		say("plain HTTP is answered")
	}
	bad = append(bad, ingressGateFaults(last.connection)...)
	for _, c := range sim.Clusters {
		for _, server := range w.matrix.Rows {
			for _, port := range []int{server.HTTP, server.GRPC} {
				if _, isOurs := w.clustersOf(server, port)[c.Name]; !isOurs || !isTarget(w, server) {
					continue
				}
				looked++
				for _, fault := range clusterFaults(c) {
					say("%s: %s", c.Name, fault)
				}
				if want := w.mustPod(t, workload(server.Name)).principal(w.trustDomain()); !slices.Equal(peers(t, c), []string{want}) {
					say("%s accepts %v, want %s alone", c.Name, peers(t, c), want)
				}
			}
		}
	}
	return bad, looked
}

// isPublic: the path falls under another cell's prefix that clients may call, such as /v1/responses/*.
func (w *world) isPublic(got taken, listener string, c cell) bool {
	return listener == "https" && slices.ContainsFunc(w.matrix.Cells, func(other cell) bool {
		prefix, isPrefix := strings.CutSuffix(other.Path, "*")
		return isPrefix && slices.Contains(other.Callers, "ingress") && strings.HasPrefix(c.example(), prefix)
	})
}

func isTarget(w *world, server row) bool {
	return slices.ContainsFunc(w.matrix.Cells, func(c cell) bool { return c.Server == server.Name && slices.Contains(c.Callers, "ingress") })
}

// ingressGateFaults: clients, who have no identity, are let in on the one port, and on no other.
func ingressGateFaults(manager *hcm.HttpConnectionManager) (bad []string) {
	g := gateAt(manager)
	for port, want := range map[uint32]bool{443: true, 80: false} {
		if got := g.lets(request{path: "/", verb: "GET", peer: "203.0.113.7", port: port}); got != want {
			bad = append(bad, fmt.Sprintf("ingress: clients on port %d: got %v, want %v", port, got, want))
		}
	}
	return bad
}

// checkTelemetry: every sidecar of ours traces, and logs by a condition and not every call.
func checkTelemetry(t *testing.T, w *world) (bad []string, looked int) {
	for _, r := range w.matrix.Rows {
		sim := w.simulate(t, w.mustPod(t, workload(r.Name)))
		for _, l := range sim.Listeners {
			for _, chain := range l.FilterChains {
				manager := xdstest.ExtractHTTPConnectionManager(t, chain)
				// The black hole has no calls to trace.
				if manager == nil || manager.GetRouteConfig().GetName() == "block_all" {
					continue
				}
				looked++
				if manager.GetTracing().GetProvider() == nil {
					bad = append(bad, fmt.Sprintf("%s: %s %s does not trace", r.Name, l.Name, chain.Name))
				}
				if share := manager.GetTracing().GetRandomSampling().GetValue(); share > 10 {
					bad = append(bad, fmt.Sprintf("%s: %s traces %v %% of the calls", r.Name, l.Name, share))
				}
				logs := manager.GetAccessLog()
				if len(logs) == 0 || !all(logs, func(log *accesslog.AccessLog) bool { return log.GetFilter().GetExtensionFilter() != nil }) {
					bad = append(bad, fmt.Sprintf("%s: %s %s logs nothing or everything", r.Name, l.Name, chain.Name))
				}
			}
		}
	}
	return bad, looked
}
