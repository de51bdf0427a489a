package istioproof

// Who may call what: every caller times every method of the matrix, and mutual TLS on every port.

import (
	"fmt"
	"slices"
	"testing"

	"istio.io/istio/pilot/pkg/simulation"
)

// caller is an identity that calls.
type caller struct {
	// name as the matrix knows it, or a word for one that it does not
	name, principal string
}

// callers are every row, the ingress gateway, all of these with another trust domain,
// and others that nobody may be mistaken for.
func (w *world) callers(t *testing.T) (out []caller) {
	domain := w.trustDomain()
	for _, r := range w.matrix.Rows {
		p := w.mustPod(t, workload(r.Name))
		out = append(out, caller{r.Name, p.principal(domain)}, caller{r.Name + " of another trust domain", p.principal("elsewhere.example")})
	}
	for _, p := range w.pods {
		if p.isGateway {
			out = append(out, caller{"ingress", p.principal(domain)}, caller{"ingress of another trust domain", p.principal("elsewhere.example")})
		}
	}
	first := w.mustPod(t, workload(w.matrix.Rows[0].Name))
	return append(out,
		caller{"a stranger of this namespace", fmt.Sprintf("spiffe://%s/ns/%s/sa/stranger", domain, namespace)},
		caller{"the namespace's default account", fmt.Sprintf("spiffe://%s/ns/%s/sa/default", domain, namespace)},
		caller{"the same account of another namespace", fmt.Sprintf("spiffe://%s/ns/elsewhere/sa/%s", domain, first.account)},
		caller{"an account whose name begins the same", fmt.Sprintf("spiffe://%s/ns/%s/sa/%s-2", domain, namespace, first.account)},
		caller{"nobody", ""})
}

func (w *world) trustDomain() string {
	if w.mesh.GetTrustDomain() == "" {
		return "cluster.local"
	}
	return w.mesh.GetTrustDomain()
}

// checkIdentity compares every cell of caller × method × port with what the generated filters let through.
func checkIdentity(t *testing.T, w *world) (bad []string, cells int) {
	callers := w.callers(t)
	for _, r := range w.matrix.Rows {
		for _, p := range w.pods {
			if p.workload != workload(r.Name) && p.workload != workload(r.Name)+"-canary" {
				continue
			}
			for _, port := range []int{r.HTTP, r.GRPC} {
				gate := w.gateOf(t, p, port)
				for _, want := range expectations(w.matrix, r, port) {
					for _, from := range callers {
						cells += 2
						isWanted := slices.Contains(want.callers, from.name)
						got := gate.lets(request{from.principal, want.path, want.verb, "10.77.9.9", uint32(port)})
						// What is granted is granted for ports: one that is opened tomorrow is open to nobody.
						if gate.lets(request{from.principal, want.path, want.verb, "10.77.9.9", otherPort}) {
							bad = append(bad, fmt.Sprintf("%s -> %s on a port that the matrix does not know: %s %s is let through", from.name, p.name, want.verb, want.path))
						}
						if got != isWanted {
							bad = append(bad, fmt.Sprintf("%s -> %s:%d %s %s: got %v, the matrix says %v", from.name, p.name, port, want.verb, want.path, got, isWanted))
						}
					}
				}
			}
		}
	}
	return bad, cells
}

// otherPort is one that nothing of ours listens on.
const otherPort = 15999

type expectation struct {
	path, verb string
	callers    []string
}

// expectations of a port: each cell of the server by its verbs and by one that it does not take, each cell of the others,
// and paths that nobody may ask for.
func expectations(m matrix, r row, port int) (out []expectation) {
	known := map[string]bool{}
	for _, c := range m.Cells {
		if c.Server != r.Name {
			continue
		}
		known[c.example()] = true
		for _, verb := range c.Verbs {
			out = append(out, expectation{c.example(), verb, c.callersOn(r, port)})
		}
		if !c.IsRPC {
			// A path's verbs are exact, but for a browser's question whether it may ask. A method takes only POST by itself.
			out = append(out, expectation{c.example(), "OPTIONS", c.callersOn(r, port)}, expectation{c.example(), "PATCH", nil})
		}
	}
	for _, c := range m.Cells {
		if !known[c.example()] {
			known[c.example()] = true
			out = append(out, expectation{c.example(), "POST", nil})
		}
	}
	for _, path := range []string{"/warmpath.state.v1.TaskService/NoSuchMethod", "/no.such.Service/Do", "/metrics", "/health", "/ready", "/debug"} {
		out = append(out, expectation{path, "GET", nil}, expectation{path, "POST", nil})
	}
	return out
}

// checkStrict: every port of every pod in the mesh takes mutual TLS and nothing else.
func checkStrict(t *testing.T, w *world) (bad []string, cells int) {
	for _, p := range w.pods {
		if p.isGateway || p.namespace != namespace || p.labels["security.istio.io/tlsMode"] != "istio" {
			continue
		}
		sim := w.simulate(t, p)
		for name, port := range p.ports {
			for _, protocol := range []simulation.Protocol{simulation.HTTP, simulation.HTTP2, simulation.TCP} {
				cells++
				plain := sim.Run(simulation.Call{Address: p.ip, Port: port, Protocol: protocol, CallMode: simulation.CallModeInbound})
				if plain.Error == nil {
					bad = append(bad, fmt.Sprintf("%s: plaintext %s to %s (%d) is taken", p.name, protocol, name, port))
				}
			}
			cells++
			mutual := sim.Run(simulation.Call{Address: p.ip, Port: port, Protocol: simulation.TCP, TLS: simulation.MTLS, CallMode: simulation.CallModeInbound})
			if mutual.Error == simulation.ErrNoFilterChain || mutual.Error == simulation.ErrNoListener {
				bad = append(bad, fmt.Sprintf("%s: mutual TLS to %s (%d): %v", p.name, name, port, mutual.Error))
			}
		}
	}
	return bad, cells
}
