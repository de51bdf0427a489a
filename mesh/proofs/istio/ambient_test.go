package istioproof

// Ambient mode: what istiod tells each node's ztunnel (workloads, services and the policies of either), read as ztunnel
// reads it, and the waypoint that calls go through.

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/test/xdstest"
	"istio.io/istio/pkg/util/sets"
	"istio.io/istio/pkg/workloadapi"
	"istio.io/istio/pkg/workloadapi/security"
)

// withAmbient has istiod keep the index that ztunnels are told from, as long as a test lasts. It is a switch of the whole
// process: tests of the sidecars do not run beside.
func withAmbient(t *testing.T) {
	features.EnableAmbient = true
	t.Cleanup(func() { features.EnableAmbient = false })
}

// ztunnelGate is what the ztunnel of a pod's node holds a connection to the pod to.
type ztunnelGate struct {
	deny, allow []*security.Authorization
}

// workload is what ztunnel is told of a pod; nil: nothing.
func (w *world) workload(p pod) *workloadapi.Workload {
	found, _ := w.server.Env().AmbientIndexes.AddressInformation(sets.New("/" + p.ip))
	for _, each := range found {
		if told := each.GetWorkload(); told != nil {
			return told
		}
	}
	return nil
}

// ztunnelOf collects the policies that reach a pod: those that its workload names, its namespace's and the mesh's.
func (w *world) ztunnelOf(p pod) (gate ztunnelGate) {
	told := w.workload(p)
	for _, each := range w.server.Env().AmbientIndexes.Policies(nil) {
		policy := each.Authorization
		isNamed := slices.Contains(told.GetAuthorizationPolicies(), policy.Namespace+"/"+policy.Name)
		isOfNamespace := policy.Scope == security.Scope_NAMESPACE && policy.Namespace == p.namespace
		if !isNamed && !isOfNamespace && policy.Scope != security.Scope_GLOBAL {
			continue
		}
		if policy.Action == security.Action_DENY {
			gate.deny = append(gate.deny, policy)
		} else {
			gate.allow = append(gate.allow, policy)
		}
	}
	return gate
}

// lets: a policy that denies ends it; with policies that allow, one of them has to.
func (g ztunnelGate) lets(r request) bool {
	if some(g.deny, r.isOf) {
		return false
	}
	return len(g.allow) == 0 || some(g.allow, r.isOf)
}

// isOf says whether a policy speaks of a connection: any of its groups, of a group every rule, of a rule any match.
func (r request) isOf(policy *security.Authorization) bool {
	return some(policy.Groups, func(group *security.Group) bool {
		return all(group.Rules, func(rule *security.Rules) bool { return some(rule.Matches, r.isMatched) })
	})
}

// isMatched: every kind of condition that is given, by any of its values.
func (r request) isMatched(m *security.Match) bool {
	if len(m.SourceIps)+len(m.NotSourceIps)+len(m.DestinationIps)+len(m.NotDestinationIps)+len(m.ServiceAccounts)+len(m.NotServiceAccounts)+
		len(m.Namespaces)+len(m.NotNamespaces)+len(m.Extensions) > 0 {
		panic(fmt.Sprintf("match of ztunnel's %v", m))
	}
	isPort := func(port uint32) bool { return port == r.port }
	return (len(m.Principals) == 0 || some(m.Principals, r.isPrincipal)) && !some(m.NotPrincipals, r.isPrincipal) &&
		(len(m.DestinationPorts) == 0 || some(m.DestinationPorts, isPort)) && !some(m.NotDestinationPorts, isPort)
}

func (r request) isPrincipal(m *security.StringMatch) bool {
	name := strings.TrimPrefix(r.principal, "spiffe://")
	switch pattern := m.MatchType.(type) {
	case *security.StringMatch_Exact:
		return name == pattern.Exact
	case *security.StringMatch_Prefix:
		return name != "" && strings.HasPrefix(name, pattern.Prefix)
	case *security.StringMatch_Suffix:
		return name != "" && strings.HasSuffix(name, pattern.Suffix)
	case *security.StringMatch_Presence:
		return name != ""
	}
	panic(fmt.Sprintf("string match of ztunnel's %v", m))
}

// waypoint is the pod that calls of an ambient mesh go through.
func (w *world) waypoint() (pod, bool) {
	for _, p := range w.pods {
		if p.proxy == model.Waypoint {
			return p, true
		}
	}
	return pod{}, false
}

// atWaypoint is how the waypoint takes calls to a port of a row's Service; nil: not at all.
func (w *world) atWaypoint(t *testing.T, r row, port int) *hcm.HttpConnectionManager {
	p, isThere := w.waypoint()
	if !isThere {
		return nil
	}
	name := fmt.Sprintf("inbound-vip|%d|http|%s", port, fqdn(workload(r.Name)))
	for _, l := range w.simulate(t, p).Listeners {
		for _, chain := range l.FilterChains {
			if chain.Name == name {
				return xdstest.ExtractHTTPConnectionManager(t, chain)
			}
		}
	}
	return nil
}

// gateAt is what a connection manager holds calls to.
func gateAt(manager *hcm.HttpConnectionManager) gate {
	return gate{filters: rulesOf(manager), isThere: manager != nil}
}
