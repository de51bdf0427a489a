package istioproof

// Every policy has to matter: without it, or with it wider than it is, a check of the simulation turns red. The loop is
// over whatever the chart renders, so a new policy that nothing looks at fails here.

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	meshapi "istio.io/api/mesh/v1alpha1"
	"sigs.k8s.io/yaml"
)

// mutation changes one document of an estate; nil: the document goes.
type mutation struct {
	name string
	edit func(doc) doc
}

var policyKinds = []string{
	"AuthorizationPolicy", "PeerAuthentication", "DestinationRule", "VirtualService", "Sidecar", "ServiceEntry", "Telemetry",
	"Gateway", "HTTPRoute", "GRPCRoute",
}

func gone(doc) doc { return nil }

// mutationsOf are the ways to lose or widen one document.
func mutationsOf(d doc) []mutation {
	out := []mutation{{"gone", gone}}
	add := func(name string, edit func(spec doc)) {
		out = append(out, mutation{name, func(d doc) doc { edit(doc(d["spec"].(map[string]any))); return d }})
	}
	switch d.kind() {
	case "AuthorizationPolicy":
		if len(d.list("spec", "rules")) == 0 {
			add("allows everything", func(spec doc) { spec["rules"] = []any{map[string]any{}} })
		}
		for i, rule := range d.list("spec", "rules") {
			if rule["from"] != nil {
				add(fmt.Sprintf("rule %d from anybody", i), func(spec doc) { delete(spec.list("rules")[i], "from") })
				add(fmt.Sprintf("rule %d from any trust domain", i), func(spec doc) { widenPrincipals(spec.list("rules")[i], "*/") })
				add(fmt.Sprintf("rule %d from a stranger too", i), func(spec doc) {
					spec.list("rules")[i]["from"] = append(spec.list("rules")[i]["from"].([]any),
						map[string]any{"source": map[string]any{"principals": []any{"cluster.local/ns/warmpath/sa/stranger"}}})
				})
			}
			if rule["to"] != nil {
				add(fmt.Sprintf("rule %d to anything", i), func(spec doc) { delete(spec.list("rules")[i], "to") })
			}
			for _, field := range []string{"paths", "ports", "methods"} {
				// Without its only field a rule is not valid, and "to anything" is what it would mean.
				if to := rule.list("to"); to != nil && to[0].at("operation", field) != nil && len(to[0]["operation"].(map[string]any)) > 1 {
					add(fmt.Sprintf("rule %d for all %s", i, field), func(spec doc) {
						delete(spec.list("rules")[i].list("to")[0]["operation"].(map[string]any), field)
					})
				}
			}
		}
	case "PeerAuthentication":
		add("permissive", func(spec doc) { spec["mtls"] = map[string]any{"mode": "PERMISSIVE"} })
		add("disabled", func(spec doc) { spec["mtls"] = map[string]any{"mode": "DISABLE"} })
	case "DestinationRule":
		out = append(out, destinationMutations(d)...)
	case "VirtualService":
		out = append(out, routeMutations(d)...)
	case "Sidecar":
		add("every host", func(spec doc) { spec.list("egress")[0]["hosts"] = []any{"*/*"} })
		add("any traffic out", func(spec doc) { spec["outboundTrafficPolicy"] = map[string]any{"mode": "ALLOW_ANY"} })
		hosts, _ := d.list("spec", "egress")[0]["hosts"].([]any)
		if hosts[0] != "~/*" {
			add("one host less", func(spec doc) { spec.list("egress")[0]["hosts"] = hosts[1:] })
		}
	case "ServiceEntry":
		add("every host of the domain", func(spec doc) {
			host := spec["hosts"].([]any)[0].(string)
			spec["hosts"], spec["resolution"] = []any{"*" + host[strings.Index(host, "."):]}, "NONE"
		})
	case "Telemetry":
		add("no access log filter", func(spec doc) { delete(spec.list("accessLogging")[0], "filter") })
		add("no traces", func(spec doc) { delete(spec, "tracing") })
		add("every call traced", func(spec doc) { spec.list("tracing")[0]["randomSamplingPercentage"] = float64(100) })
	case "Gateway":
		switch {
		case isIstioKind(d):
			out = append(out, eastWestMutations(d)...)
		case d.text("spec", "gatewayClassName") == "istio":
			add("every name", func(spec doc) { delete(spec.list("listeners")[0], "hostname") })
			add("no TLS", func(spec doc) {
				listener := spec.list("listeners")[0]
				listener["protocol"], listener["port"] = "HTTP", float64(80)
				delete(listener, "tls")
			})
		}
	case "HTTPRoute", "GRPCRoute":
		out = append(out, gatewayRouteMutations(d)...)
	}
	return out
}

func widenPrincipals(rule doc, prefix string) {
	for _, from := range rule.list("from") {
		principals := from.at("source", "principals").([]any)
		for i, each := range principals {
			principals[i] = prefix + strings.SplitN(each.(string), "/", 2)[1]
		}
	}
}

func destinationMutations(d doc) (out []mutation) {
	add := func(name string, edit func(policy doc)) {
		out = append(out, mutation{name, func(d doc) doc { edit(doc(d.at("spec", "trafficPolicy").(map[string]any))); return d }})
	}
	add("plain text", func(policy doc) { policy["tls"] = map[string]any{"mode": "DISABLE"} })
	add("TLS of whoever answers", func(policy doc) { policy["tls"] = map[string]any{"mode": "SIMPLE"} })
	if d.at("spec", "trafficPolicy", "outlierDetection") == nil {
		return out
	}
	ejection := func(name string, change map[string]any) {
		add(name, func(policy doc) { maps.Copy(policy["outlierDetection"].(map[string]any), change) })
	}
	ejection("503 ejects", map[string]any{"consecutiveGatewayErrors": float64(5)})
	ejection("any 5xx ejects", map[string]any{"consecutive5xxErrors": float64(5)})
	ejection("all pods may be ejected", map[string]any{"maxEjectionPercent": float64(100)})
	ejection("own and other faults are one", map[string]any{"splitExternalLocalOriginErrors": false, "consecutiveLocalOriginFailures": nil})
	add("no ejection", func(policy doc) { delete(policy, "outlierDetection") })
	add("in turn", func(policy doc) { policy["loadBalancer"] = map[string]any{"simple": "ROUND_ROBIN"} })
	return out
}

func routeMutations(d doc) (out []mutation) {
	isLike := map[string]bool{}
	for i, route := range d.list("spec", "http") {
		name := route.text("name")
		add := func(what string, edit func(route doc)) {
			out = append(out, mutation{name + " " + what, func(d doc) doc { edit(d.list("spec", "http")[i]); return d }})
		}
		add("gone", func(route doc) {
			route["match"] = []any{map[string]any{"uri": map[string]any{"exact": "/nobody.asks"}}}
		})
		add("with a third of a second", func(route doc) { route["timeout"] = "0.3s"; delete(route["retries"].(map[string]any), "perTryTimeout") })
		add("tried thrice more", func(route doc) { route["retries"] = map[string]any{"attempts": float64(3), "retryOn": "5xx"} })
		// Of the rest, one route with a timeout and one without: each takes a second, and all are made by one loop.
		kind := fmt.Sprint(route["timeout"] != nil)
		if isLike[kind] {
			continue
		}
		isLike[kind] = true
		add("for every path", func(route doc) { delete(route, "match") })
		add("to another port", func(route doc) {
			destination := route.list("route")[0].at("destination").(map[string]any)
			destination["port"] = map[string]any{"number": float64(8700)}
		})
		if route["timeout"] != nil {
			add("without a timeout", func(route doc) { delete(route, "timeout"); delete(route["retries"].(map[string]any), "perTryTimeout") })
		}
		if len(route.list("route")) > 1 {
			add("half to the canary", func(route doc) { halve(route.list("route")) })
		}
	}
	return out
}

// halve gives each of two destinations the same share.
func halve(destinations []doc) {
	for _, to := range destinations {
		to["weight"] = float64(50)
	}
}

func gatewayRouteMutations(d doc) (out []mutation) {
	for i, rule := range d.list("spec", "rules") {
		add := func(what string, edit func(rule doc)) {
			out = append(out, mutation{fmt.Sprintf("rule %d %s", i, what), func(d doc) doc { edit(d.list("spec", "rules")[i]); return d }})
		}
		if rule["matches"] != nil {
			add("for every path", func(rule doc) { delete(rule, "matches") })
		}
		if d.kind() == "HTTPRoute" && rule["backendRefs"] != nil {
			add("with a third of a second", func(rule doc) { rule["timeouts"] = map[string]any{"request": "300ms"} })
		}
		if rule["backendRefs"] == nil {
			continue
		}
		if rule.text("timeouts", "request") != "0s" && d.kind() == "HTTPRoute" {
			add("without a timeout", func(rule doc) { delete(rule, "timeouts") })
		}
		for _, filter := range rule.list("filters") {
			if filter["cors"] != nil {
				add("for pages of every origin", func(rule doc) { rule.list("filters")[0].at("cors").(map[string]any)["allowOrigins"] = []any{"*"} })
				add("for no page", func(rule doc) { delete(rule, "filters") })
			}
		}
		add("to another port", func(rule doc) { rule.list("backendRefs")[0]["port"] = float64(8730) })
		if len(rule.list("backendRefs")) > 1 {
			add("half to the canary", func(rule doc) { halve(rule.list("backendRefs")) })
		}
	}
	if d.at("spec", "hostnames") == nil {
		return out
	}
	return append(out, mutation{"under both names", func(d doc) doc {
		delete(d["spec"].(map[string]any), "hostnames")
		delete(d.list("spec", "parentRefs")[0], "sectionName")
		return d
	}})
}

// clone is a deep copy.
func (d doc) clone() (out doc) {
	text, err := yaml.Marshal(d)
	if err != nil {
		panic(err)
	}
	if err := yaml.Unmarshal(text, &out); err != nil {
		panic(err)
	}
	return out
}

// mutate gives the estate with one document changed. Pods and their Services stay: a Gateway's do until it is gone.
func (e estate) mutate(at int, edit func(doc) doc) estate {
	docs := slices.Clone(e.docs)
	if changed := edit(e.docs[at].clone()); changed != nil {
		docs[at] = changed
	} else {
		docs = slices.Delete(docs, at, at+1)
	}
	e.docs = docs
	return e
}

// reddens says which check notices; empty: none does.
func reddens(t *testing.T, e estate, checks []check) (by string) {
	w := e.start(t, nil)
	for _, c := range checks {
		if bad, _ := c.run(t, w); len(bad) > 0 {
			return fmt.Sprintf("%s: %s", c.name, bad[0])
		}
	}
	return ""
}

// isPolicy: what istiod makes configuration of.
func isPolicy(d doc) bool {
	return isIstioKind(d) || strings.HasPrefix(d.text("apiVersion"), "gateway.networking.k8s.io/") && d.kind() != "GatewayClass"
}

// TestMutations: no policy can go or widen unseen. What a variant shares with production is looked at there: of a document
// that it changes, only what can be done to it nowhere else, such as to a canary's weights.
func TestMutations(t *testing.T) {
	isSeen := map[string]bool{}
	for _, variant := range append([]string{"production"}, without(without(variants(t), "production"), "ambient")...) {
		e := readEstate(t, variant)
		for at, d := range e.docs {
			if !slices.Contains(policyKinds, d.kind()) {
				if isPolicy(d) {
					t.Errorf("%s: no mutation is known of a %s", variant, d.kind())
				}
				continue
			}
			mutations := mutationsOf(d)
			if e.setting.Clusters != nil {
				mutations = append(mutations, clusterMutationsOf(d)...)
			}
			for _, m := range mutations {
				name := fmt.Sprintf("%s %s", d, m.name)
				if isSeen[name] {
					continue
				}
				isSeen[name] = true
				t.Run(variant+"/"+name, func(t *testing.T) {
					t.Parallel()
					by := reddens(t, e.mutate(at, m.edit), checksFor(e))
					if by == "" {
						t.Error("nothing notices")
					}
					t.Log(by)
				})
			}
		}
	}
}

// TestMeshMutations: what is said of the mesh as a whole matters too.
func TestMeshMutations(t *testing.T) {
	for name, m := range map[string]struct {
		variant string
		edit    func(*meshapi.MeshConfig)
	}{
		"Istio's own retries": {"production", func(m *meshapi.MeshConfig) { m.DefaultHttpRetryPolicy = nil }},
		"paths as they come":  {"production", func(m *meshapi.MeshConfig) { m.PathNormalization = nil }},
		// Then a task would be made in the record of whichever cluster answers.
		"everything shared with the other cluster": {"second-cluster", func(m *meshapi.MeshConfig) { m.ServiceSettings = nil }},
		"nothing shared with the other cluster":    {"second-cluster", func(m *meshapi.MeshConfig) { m.ServiceSettings = m.ServiceSettings[:1] }},
	} {
		t.Run(name, func(t *testing.T) {
			e := readEstate(t, m.variant)
			e.mesh = proto.Clone(e.mesh).(*meshapi.MeshConfig)
			m.edit(e.mesh)
			by := reddens(t, e, checksFor(e))
			if by == "" {
				t.Error("nothing notices")
			}
			t.Log(by)
		})
	}
}
