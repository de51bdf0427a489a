package istioproof

// Evaluates the RBAC filters that istiod generates, as Envoy does: the simulation does not. The matcher knows the rule
// kinds that our policies come out as and panics on any other, so a new kind cannot pass unseen.

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"

	rbac "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	rbacfilter "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	rbacnetwork "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/rbac/v3"
	matcher "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"istio.io/istio/pilot/pkg/simulation"
	"istio.io/istio/pilot/test/xdstest"
)

// request is what a rule may look at.
type request struct {
	principal, path, verb, peer string
	port                        uint32
}

func matches(m *matcher.StringMatcher, value string) bool {
	if m.IgnoreCase {
		panic(fmt.Sprintf("string matcher that ignores case: %v", m))
	}
	switch pattern := m.MatchPattern.(type) {
	case *matcher.StringMatcher_Exact:
		return value == pattern.Exact
	case *matcher.StringMatcher_Prefix:
		return strings.HasPrefix(value, pattern.Prefix)
	case *matcher.StringMatcher_Suffix:
		return strings.HasSuffix(value, pattern.Suffix)
	case *matcher.StringMatcher_SafeRegex:
		return regexp.MustCompile("^(?:" + pattern.SafeRegex.Regex + ")$").MatchString(value)
	}
	panic(fmt.Sprintf("string matcher %v", m))
}

func all[T any](items []T, isTrue func(T) bool) bool {
	for _, item := range items {
		if !isTrue(item) {
			return false
		}
	}
	return true
}

func some[T any](items []T, isTrue func(T) bool) bool {
	return !all(items, func(item T) bool { return !isTrue(item) })
}

func (r request) header(h *route.HeaderMatcher) bool {
	values := map[string]string{":method": r.verb, ":path": r.path}
	value, isKnown := values[h.Name]
	if !isKnown || h.InvertMatch {
		panic(fmt.Sprintf("header %v", h))
	}
	switch kind := h.HeaderMatchSpecifier.(type) {
	case *route.HeaderMatcher_StringMatch:
		return matches(kind.StringMatch, value)
	case *route.HeaderMatcher_ExactMatch:
		return value == kind.ExactMatch
	}
	panic(fmt.Sprintf("header %v", h))
}

func (r request) permission(p *rbac.Permission) bool {
	switch rule := p.Rule.(type) {
	case *rbac.Permission_Any:
		return rule.Any
	case *rbac.Permission_NotRule:
		return !r.permission(rule.NotRule)
	case *rbac.Permission_AndRules:
		return all(rule.AndRules.Rules, r.permission)
	case *rbac.Permission_OrRules:
		return some(rule.OrRules.Rules, r.permission)
	case *rbac.Permission_UrlPath:
		return matches(rule.UrlPath.GetPath(), r.path)
	case *rbac.Permission_Header:
		return r.header(rule.Header)
	case *rbac.Permission_DestinationPort:
		return rule.DestinationPort == r.port
	}
	panic(fmt.Sprintf("permission %v", p))
}

func (r request) from(p *rbac.Principal) bool {
	switch rule := p.Identifier.(type) {
	case *rbac.Principal_Any:
		return rule.Any
	case *rbac.Principal_NotId:
		return !r.from(rule.NotId)
	case *rbac.Principal_AndIds:
		return all(rule.AndIds.Ids, r.from)
	case *rbac.Principal_OrIds:
		return some(rule.OrIds.Ids, r.from)
	case *rbac.Principal_Authenticated_:
		return r.principal != "" && matches(rule.Authenticated.PrincipalName, r.principal)
	case *rbac.Principal_FilterState:
		// What a waypoint goes by: the identity that ztunnel has shown it.
		if rule.FilterState.Key != "io.istio.peer_principal" {
			panic(fmt.Sprintf("principal %v", p))
		}
		return r.principal != "" && matches(rule.FilterState.GetStringMatch(), r.principal)
	case *rbac.Principal_DirectRemoteIp:
		return inRange(r.peer, rule.DirectRemoteIp.AddressPrefix, rule.DirectRemoteIp.PrefixLen.GetValue())
	}
	panic(fmt.Sprintf("principal %v", p))
}

func inRange(address, prefix string, bits uint32) bool {
	_, network, err := net.ParseCIDR(fmt.Sprintf("%s/%d", prefix, bits))
	return err == nil && network.Contains(net.ParseIP(address))
}

// gate is the row of RBAC filters in front of one port of one pod; nil filters: no such port.
type gate struct {
	filters []*rbac.RBAC
	isThere bool
}

// gateOf finds the filter chain that a call with mutual TLS to the pod's port takes.
func (w *world) gateOf(t *testing.T, p pod, port int) (g gate) {
	sim := w.simulate(t, p)
	call := simulation.Call{Address: p.ip, Port: port, Path: "/", Protocol: simulation.HTTP2, TLS: simulation.MTLS, CallMode: simulation.CallModeInbound}
	hit := sim.Run(call)
	if hit.Error != nil {
		return g
	}
	for _, listener := range sim.Listeners {
		if listener.Name != hit.ListenerMatched {
			continue
		}
		for _, chain := range listener.FilterChains {
			if chain.Name != hit.FilterChainMatched {
				continue
			}
			g.isThere = true
			for _, filter := range chain.GetFilters() {
				config := &rbacnetwork.RBAC{}
				if filter.GetTypedConfig().UnmarshalTo(config) == nil && config.Rules != nil {
					g.filters = append(g.filters, config.Rules)
				}
			}
			g.filters = append(g.filters, rulesOf(xdstest.ExtractHTTPConnectionManager(t, chain))...)
		}
	}
	return g
}

// rulesOf are those of a connection manager's RBAC filters.
func rulesOf(manager *hcm.HttpConnectionManager) (out []*rbac.RBAC) {
	for _, filter := range manager.GetHttpFilters() {
		config := &rbacfilter.RBAC{}
		if filter.GetTypedConfig().UnmarshalTo(config) == nil && config.Rules != nil {
			out = append(out, config.Rules)
		}
	}
	return out
}

// lets says whether the gate lets a request through: every DENY filter that matches ends it, as does every ALLOW filter
// that does not.
func (g gate) lets(r request) bool {
	if !g.isThere {
		return false
	}
	for _, rules := range g.filters {
		isMatch := false
		for _, policy := range rules.Policies {
			isMatch = isMatch || some(policy.Permissions, r.permission) && some(policy.Principals, r.from) && policy.Condition == nil
		}
		if isMatch == (rules.Action == rbac.RBAC_DENY) {
			return false
		}
	}
	return true
}
