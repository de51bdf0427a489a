package istioproof

// Reading what Envoy would do with a call: the route that a path takes, with its destinations and bounds.

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"istio.io/istio/pilot/pkg/simulation"
	"istio.io/istio/pilot/test/xdstest"
)

// taken is the route that a call takes.
type taken struct {
	err        error
	clusters   map[string]int // weight by cluster, of 100
	timeout    time.Duration
	retries    int
	retryOn    string
	action     *route.RouteAction
	route      *route.Route
	connection *hcm.HttpConnectionManager
}

// take follows a call through a proxy. The simulation finds the virtual host; the route is looked for here once more,
// because the simulation names it and does not look at headers.
func take(t *testing.T, sim *simulation.Simulation, call simulation.Call, verb string) taken {
	hit := sim.Run(call)
	if hit.Error != nil {
		return taken{err: hit.Error}
	}
	manager := connectionManager(t, sim.Listeners, hit)
	config := manager.GetRouteConfig()
	if config == nil {
		config = xdstest.ExtractRouteConfigurations(sim.Routes)[hit.RouteConfigMatched]
	}
	for _, host := range config.GetVirtualHosts() {
		if host.Name != hit.VirtualHostMatched {
			continue
		}
		out := routeIn(host, call.Path, verb)
		out.connection = manager
		return out
	}
	return taken{err: simulation.ErrNoRoute}
}

// routeIn is the first route of a virtual host that a path and verb match.
func routeIn(host *route.VirtualHost, path, verb string) (out taken) {
	for _, r := range host.Routes {
		if !isMatch(r.Match, path, verb) {
			continue
		}
		if r.GetRoute() == nil {
			return taken{err: fmt.Errorf("the route %q goes nowhere", r.Name), route: r}
		}
		out.route, out.action = r, r.GetRoute()
		out.timeout, out.clusters = out.action.GetTimeout().AsDuration(), weights(out.action)
		out.retries, out.retryOn = int(out.action.GetRetryPolicy().GetNumRetries().GetValue()), out.action.GetRetryPolicy().GetRetryOn()
		if out.action.RetryPolicy != nil && out.action.RetryPolicy.NumRetries == nil {
			out.retries = 1 // Envoy's own default
		}
		return out
	}
	return taken{err: simulation.ErrNoRoute}
}

func connectionManager(t *testing.T, listeners []*listener.Listener, hit simulation.Result) *hcm.HttpConnectionManager {
	for _, l := range listeners {
		if l.Name != hit.ListenerMatched {
			continue
		}
		chains := l.FilterChains
		if l.DefaultFilterChain != nil {
			chains = append(slices.Clone(chains), l.DefaultFilterChain)
		}
		for _, chain := range chains {
			if chain.Name == hit.FilterChainMatched {
				if manager := xdstest.ExtractHTTPConnectionManager(t, chain); manager != nil {
					return manager
				}
			}
		}
	}
	return nil
}

func isMatch(m *route.RouteMatch, path, verb string) bool {
	for _, header := range m.Headers {
		// "content-type" is how a GRPCRoute tells gRPC; every call that is simulated here as gRPC says so.
		if header.Name == "content-type" {
			continue
		}
		if !(request{path: path, verb: verb}).header(header) {
			return false
		}
	}
	switch kind := m.PathSpecifier.(type) {
	case *route.RouteMatch_Prefix:
		return strings.HasPrefix(path, kind.Prefix)
	case *route.RouteMatch_PathSeparatedPrefix:
		return path == kind.PathSeparatedPrefix || strings.HasPrefix(path, kind.PathSeparatedPrefix+"/")
	case *route.RouteMatch_Path:
		return path == kind.Path
	case *route.RouteMatch_SafeRegex:
		return regexp.MustCompile("^(?:" + kind.SafeRegex.Regex + ")$").MatchString(path)
	}
	panic(fmt.Sprintf("route match %v", m))
}

func weights(action *route.RouteAction) map[string]int {
	if weighted := action.GetWeightedClusters(); weighted != nil {
		out := map[string]int{}
		for _, each := range weighted.Clusters {
			out[each.Name] = int(each.Weight.GetValue())
		}
		return out
	}
	return map[string]int{action.GetCluster(): 100}
}

// boundsFaults says what of a route is not as its cell wants it.
func (c cell) boundsFaults(got taken, retryOn string) (bad []string) {
	if got.err != nil {
		return []string{got.err.Error()}
	}
	say := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	if want := time.Duration(c.TimeoutSeconds) * time.Second; got.timeout != want {
		say("timeout %v, the matrix says %v", got.timeout, want)
	}
	if got.action.GetTimeout() == nil {
		say("no timeout is written: Envoy's own is 15 s")
	}
	if got.retries != c.Retries {
		say("%d retries, the matrix says %d", got.retries, c.Retries)
	}
	if c.Retries > 0 && got.retryOn != retryOn {
		say("retries on %q, the matrix says %q", got.retryOn, retryOn)
	}
	if c.Retries > 0 {
		if each := got.action.RetryPolicy.GetPerTryTimeout().AsDuration(); each == 0 || each >= got.timeout {
			say("a try may take %v of %v", each, got.timeout)
		}
	}
	if c.IsStream {
		bad = append(bad, streamFaults(got)...)
	}
	return bad
}

// streamFaults says what else would end a stream by the clock.
func streamFaults(got taken) (bad []string) {
	if duration := got.action.GetMaxStreamDuration(); duration.GetMaxStreamDuration().AsDuration() != 0 || duration.GetGrpcTimeoutHeaderMax().AsDuration() != 0 {
		bad = append(bad, fmt.Sprintf("the route ends streams: %v", duration))
	}
	if idle := got.action.GetIdleTimeout().AsDuration(); idle != 0 {
		bad = append(bad, fmt.Sprintf("the route ends silent streams after %v", idle))
	}
	manager := got.connection
	// Absent is Envoy's own five minutes.
	if idle := manager.GetStreamIdleTimeout(); idle == nil || idle.AsDuration() != 0 {
		bad = append(bad, fmt.Sprintf("the listener ends silent streams after %v", idle))
	}
	if manager.GetRequestTimeout().AsDuration() != 0 || manager.GetCommonHttpProtocolOptions().GetMaxStreamDuration().AsDuration() != 0 ||
		manager.GetCommonHttpProtocolOptions().GetMaxConnectionDuration().AsDuration() != 0 {
		bad = append(bad, "the listener ends streams")
	}
	return bad
}
