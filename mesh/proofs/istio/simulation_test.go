package istioproof

import (
	"slices"
	"testing"
)

// check says what of a world is not as the matrix says, and how many things it looked at.
type check struct {
	name string
	run  func(*testing.T, *world) (bad []string, looked int)
}

var checks = []check{
	{"every cell of caller and method", checkIdentity},
	{"mutual TLS and nothing else", checkStrict},
	{"routes, timeouts and retries", checkRoutes},
	{"no clock at the callee's sidecar", checkInbound},
	{"clusters", checkClusters},
	{"scope of the sidecars", checkScope},
	{"ways out", checkEgress},
	{"the way in", checkIngress},
	{"browsers of other origins", checkCors},
	{"traces and access logs", checkTelemetry},
}

// engineCheck is for the renders that bring engines.
var engineCheck = check{"engines by pod", checkEngines}

// TestSimulation: what istiod generates from the chart is what the matrix says, in every way that it is rendered with
// sidecars; TestAmbient looks at the one without.
func TestSimulation(t *testing.T) {
	for _, variant := range without(variants(t), "ambient") {
		t.Run(variant, func(t *testing.T) {
			w := readEstate(t, variant).start(t, nil)
			runChecks(t, w, checksFor(w.estate))
		})
	}
}

func runChecks(t *testing.T, w *world, checks []check) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			bad, looked := c.run(t, w)
			for _, each := range bad {
				t.Error(each)
			}
			t.Logf("%d looked at", looked)
			if looked == 0 {
				t.Error("nothing was looked at")
			}
		})
	}
}

func checksFor(e estate) []check {
	switch {
	case e.setting.Clusters != nil:
		return append(slices.Clone(checks), clusterChecks...)
	case e.variant == "engines":
		return append(slices.Clone(checks), engineCheck)
	}
	return checks
}
