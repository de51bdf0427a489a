package istioproof

// What leaves the release: engines pod by pod, stores and collectors in the cluster, hosts outside it; and nothing else.

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"istio.io/istio/pilot/pkg/simulation"
	"istio.io/istio/pilot/test/xdstest"
)

// destination is a host outside the matrix that the chart's values name.
type destination struct {
	// Name is what the matrix calls it, under egress or stores.
	Name string `json:"name"`
	Host string `json:"host"`
	Port int    `json:"port"`
}

// isInside: NAME.NAMESPACE.svc, a Service of the cluster.
func (d destination) isInside() bool { return strings.HasSuffix(d.Host, ".svc") }

func (d destination) cluster() string {
	if d.isInside() {
		return fmt.Sprintf("outbound|%d||%s.cluster.local", d.Port, d.Host)
	}
	return fmt.Sprintf("outbound|%d||%s", d.Port, d.Host)
}

// isUsedBy says whether a row may go there.
func (d destination) isUsedBy(r row) bool {
	return slices.Contains(r.Egress, d.Name) || slices.Contains(r.Stores, d.Name)
}

// reached is the cluster that a call ends up at; none: Envoy has no way out for it.
func reached(hit simulation.Result) string {
	if hit.Error != nil || hit.ClusterMatched == "BlackHoleCluster" || hit.VirtualHostMatched == "block_all" {
		return ""
	}
	return hit.ClusterMatched
}

func (w *world) callOut(t *testing.T, d destination) simulation.Call {
	if d.isInside() {
		service := strings.Split(d.Host, ".")[0]
		call := simulation.Call{Address: w.service(t, service).text("spec", "clusterIP"), Port: d.Port, Protocol: simulation.TCP, CallMode: simulation.CallModeOutbound}
		if d.Name == "otlp" {
			call.Protocol, call.HostHeader = simulation.HTTP2, fmt.Sprintf("%s:%d", d.Host, d.Port)
		}
		return call
	}
	return simulation.Call{Address: "203.0.113.7", Port: d.Port, Protocol: simulation.HTTP, TLS: simulation.TLS, Sni: d.Host, HostHeader: d.Host, CallMode: simulation.CallModeOutbound}
}

// checkEgress: each row reaches what it names and no other, nobody a host that nothing names, and whoever is in no row
// reaches nothing at all.
func checkEgress(t *testing.T, w *world) (bad []string, looked int) {
	rows := append(slices.Clone(w.matrix.Rows), row{Name: strangerName})
	for _, engine := range w.engines() {
		rows = append(rows, row{Name: strings.TrimPrefix(engine.workload, release+"-"), Egress: []string{"modelHub"}})
	}
	for _, r := range rows {
		sim := w.simulate(t, w.mustPod(t, workload(r.Name)))
		for _, d := range w.setting.Destinations {
			if d.Name == "modelHub" && len(w.engines()) == 0 {
				continue
			}
			looked++
			got, want := reached(sim.Run(w.callOut(t, d))), ""
			if d.isUsedBy(r) {
				want = d.cluster()
			}
			if got != want {
				bad = append(bad, fmt.Sprintf("%s -> %s:%d (%s) goes to %q, want %q", r.Name, d.Host, d.Port, d.Name, got, want))
			}
		}
		for _, stray := range []destination{{"", "unknown.example.com", 443}, {"", "unknown.example.com", 8443}} {
			looked++
			if got := reached(sim.Run(w.callOut(t, stray))); got != "" {
				bad = append(bad, fmt.Sprintf("%s -> %s:%d goes to %q, and nothing names it", r.Name, stray.Host, stray.Port, got))
			}
		}
		looked++
		if got := reached(sim.Run(simulation.Call{Address: "203.0.113.7", Port: 80, Protocol: simulation.HTTP, HostHeader: "unknown.example.com", CallMode: simulation.CallModeOutbound})); got != "" {
			bad = append(bad, fmt.Sprintf("%s -> plain HTTP to the outside goes to %q", r.Name, got))
		}
	}
	return bad, looked
}

// engines are the pods of our own engines, and the Services that name them.
func (w *world) engines() (pods []pod) {
	for _, p := range w.pods {
		if strings.HasPrefix(p.workload, workload("vllm")) {
			pods = append(pods, p)
		}
	}
	return pods
}

// checkEngines: an engine is reached at the address that the caller chose, with mutual TLS, by rows that name engines
// alone. Nothing balances, ejects or retries in between.
func checkEngines(t *testing.T, w *world) (bad []string, looked int) {
	var allowed []string
	for _, r := range w.matrix.Rows {
		if slices.Contains(r.Egress, "engines") {
			allowed = append(allowed, r.Name)
		}
	}
	for _, engine := range w.engines() {
		for _, port := range w.matrix.Outside["engines"] {
			for _, from := range w.callers(t) {
				looked++
				want := slices.Contains(allowed, from.name)
				gate := w.gateOf(t, engine, port)
				if gate.lets(request{principal: from.principal, peer: "10.77.9.9", port: otherPort}) {
					bad = append(bad, fmt.Sprintf("%s -> engine %s: a port that nobody names is open", from.name, engine.name))
				}
				if got := gate.lets(request{principal: from.principal, peer: "10.77.9.9", port: uint32(port)}); got != want {
					bad = append(bad, fmt.Sprintf("%s -> engine %s:%d: got %v, want %v", from.name, engine.name, port, got, want))
				}
			}
			for _, r := range w.matrix.Rows {
				looked++
				bad = append(bad, w.engineCallFaults(t, r, engine, port, slices.Contains(allowed, r.Name))...)
			}
		}
	}
	return bad, looked
}

func (w *world) engineCallFaults(t *testing.T, r row, engine pod, port int, isAllowed bool) (bad []string) {
	sim := w.simulate(t, w.mustPod(t, workload(r.Name)))
	name := reached(sim.Run(simulation.Call{Address: engine.ip, Port: port, Protocol: simulation.TCP, CallMode: simulation.CallModeOutbound}))
	say := func(format string, args ...any) {
		bad = append(bad, fmt.Sprintf("%s -> engine %s:%d: ", r.Name, engine.name, port)+fmt.Sprintf(format, args...))
	}
	switch {
	case !isAllowed && name != "":
		say("goes to %s, and may not", name)
	case isAllowed && name == "":
		say("has no way")
	case isAllowed:
		c := xdstest.ExtractClusters(sim.Clusters)[name]
		if c.GetType() != cluster.Cluster_ORIGINAL_DST {
			say("the mesh chooses the pod: %s is %v", name, c.GetType())
		}
		// Istio's own choice looks at the endpoint, which an address that the caller chose has not: that would be plain text.
		if len(c.GetTransportSocketMatches()) != 0 {
			say("mutual TLS only for endpoints that Istio knows")
		}
		if want := engine.principal(w.trustDomain()); !slices.Equal(peers(t, c), []string{want}) {
			say("accepts %v as the engine, want %s alone", peers(t, c), want)
		}
		// A prompt is read in silence: that the peer is there is asked for by TCP, and one that is not is not waited for.
		if c.GetUpstreamConnectionOptions().GetTcpKeepalive() == nil || c.GetConnectTimeout().AsDuration().Seconds() > 5 {
			say("a peer that is gone is waited for")
		}
		if o := c.GetOutlierDetection(); o != nil && busyCanEject(o) {
			say("what it answers can set it aside: %v", o)
		}
	}
	return bad
}
