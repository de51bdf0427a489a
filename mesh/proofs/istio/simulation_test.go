package istioproof

import "testing"

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
}

// TestSimulation: what istiod generates from the chart is what the matrix says.
func TestSimulation(t *testing.T) {
	w := readEstate(t, "production").start(t, nil)
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
