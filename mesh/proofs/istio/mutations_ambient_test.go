package istioproof

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// ambientKinds are those that mean something else in ambient mode, or are there alone. What the ingress reads is the same
// document as in production, and is changed there.
var ambientKinds = []string{"AuthorizationPolicy", "PeerAuthentication", "DestinationRule", "Gateway", "HTTPRoute", "Service"}

// TestAmbientMutations: no policy of ambient mode can go or widen unseen.
func TestAmbientMutations(t *testing.T) {
	withAmbient(t)
	e, production := readEstate(t, "ambient"), readEstate(t, "production")
	for at, d := range e.docs {
		if d.namespace() != namespace || !slices.Contains(ambientKinds, d.kind()) || isOfIngress(d) {
			if isPolicy(d) && !slices.ContainsFunc(production.docs, func(other doc) bool { return other.yaml() == d.yaml() }) {
				t.Errorf("%s is not as in production, and nothing changes it here", d)
			}
			continue
		}
		for _, m := range ambientMutationsOf(d) {
			t.Run(fmt.Sprintf("%s %s", d, m.name), func(t *testing.T) {
				t.Parallel()
				by := reddens(t, e.mutate(at, m.edit), ambientChecks)
				if by == "" {
					t.Error("nothing notices")
				}
				t.Log(by)
			})
		}
	}
}

// isOfIngress: a document of the way in.
func isOfIngress(d doc) bool {
	ingress := workload("ingress")
	for _, parent := range append(d.list("spec", "parentRefs"), d.list("spec", "targetRefs")...) {
		if parent.text("name") == ingress {
			return true
		}
	}
	return d.kind() == "Gateway" && d.name() == ingress
}

// ambientMutationsOf are the ways to lose or widen a document of ambient mode.
func ambientMutationsOf(d doc) (out []mutation) {
	label := func(name string, edit func(labels map[string]any)) {
		out = append(out, mutation{name, func(d doc) doc { edit(d.at("metadata", "labels").(map[string]any)); return d }})
	}
	switch d.kind() {
	case "Service":
		// Those of the gateways are Istio's.
		if d.text("metadata", "labels", useWaypoint) != "" {
			label("not by the waypoint", func(labels map[string]any) { delete(labels, useWaypoint) })
			label("clients not by the waypoint", func(labels map[string]any) { delete(labels, "istio.io/ingress-use-waypoint") })
		}
	case "Gateway":
		label("for pods in place of services", func(labels map[string]any) { labels["istio.io/waypoint-for"] = "workload" })
		out = append(out, mutation{"gone", gone})
	default:
		out = slices.DeleteFunc(mutationsOf(d), func(m mutation) bool { return isMadeElsewhere(d, m.name) })
	}
	return out
}

// isMadeElsewhere: the rules of a policy and the DestinationRules are made by one loop, and each is changed in every way in
// production. Here every way of the first one is, and one way of the others: each takes half a second.
func isMadeElsewhere(d doc, name string) bool {
	switch d.kind() {
	case "AuthorizationPolicy":
		return strings.HasPrefix(name, "rule ") && !strings.HasPrefix(name, "rule 0 ") && !strings.HasSuffix(name, "from anybody")
	case "DestinationRule":
		// Between waypoint and pod the TLS is ztunnel's, whatever a rule says.
		isOfTLS := name == "plain text" || name == "TLS of whoever answers"
		return isOfTLS || name != "gone" && d.name() != workload("state")
	}
	return false
}

const useWaypoint = "istio.io/use-waypoint"
