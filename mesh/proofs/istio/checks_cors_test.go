package istioproof

// Pages of other origins: what the Gateway answers their browsers, where the chart is told to.

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	cors "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
)

// What a page's Connect and gRPC-Web clients send, and what they have to be shown of the answer, in lower case.
var (
	corsSent  = []string{"authorization", "content-type", "connect-protocol-version", "connect-timeout-ms", "grpc-timeout", "x-grpc-web", "x-user-agent"}
	corsShown = []string{"grpc-status", "grpc-message", "grpc-status-details-bin"}
)

// corsOrigin is the one that the values of production name.
const corsOrigin = "https://app.example.com"

// checkCors: each route of the web's name answers that origin, and no other.
func checkCors(t *testing.T, w *world) (bad []string, looked int) {
	sim := w.simulate(t, w.gatewayPod(t))
	for _, c := range w.matrix.Cells {
		if !slices.Contains(c.Callers, "ingress") {
			continue
		}
		looked++
		got := take(t, sim, callIn(w.hostnames()["https"], c.example()), c.Verbs[0])
		policy := &cors.CorsPolicy{}
		if got.err != nil || got.route.GetTypedPerFilterConfig()["envoy.filters.http.cors"].UnmarshalTo(policy) != nil {
			bad = append(bad, fmt.Sprintf("ingress: %s has no CORS policy", c))
			continue
		}
		for _, fault := range corsFaults(policy) {
			bad = append(bad, fmt.Sprintf("ingress: %s: %s", c, fault))
		}
	}
	return bad, looked
}

func corsFaults(policy *cors.CorsPolicy) (bad []string) {
	for origin, want := range map[string]bool{corsOrigin: true, "https://elsewhere.example.com": false} {
		isLet := false
		for _, each := range policy.GetAllowOriginStringMatch() {
			isLet = isLet || matches(each, origin)
		}
		if isLet != want {
			bad = append(bad, fmt.Sprintf("origin %s: got %v, want %v", origin, isLet, want))
		}
	}
	for list, wanted := range map[string][]string{policy.GetAllowHeaders(): corsSent, policy.GetExposeHeaders(): corsShown} {
		given := strings.Split(strings.ToLower(strings.ReplaceAll(list, " ", "")), ",")
		for _, header := range wanted {
			if !slices.Contains(given, header) {
				bad = append(bad, fmt.Sprintf("%s is not in %q", header, list))
			}
		}
	}
	return bad
}
