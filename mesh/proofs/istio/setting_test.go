package istioproof

import (
	"strings"
	"testing"

	"istio.io/istio/pkg/cluster"
	"istio.io/istio/pkg/config/constants"
)

// setting is what a variant's values say that no rendered document does, as variants.ts reads it.
type setting struct {
	// Mode of the mesh: sidecar or ambient.
	Mode string `json:"mode"`
	// Destinations are the hosts that the values name for what is outside the table.
	Destinations []destination `json:"destinations"`
	// Clusters is nil where there is one cluster.
	Clusters *clusters `json:"clusters"`
	// own is the address that other clusters reach this one's east-west gateway by; empty: one that no check asks for.
	own string
}

// clusters is this cluster among others.
type clusters struct {
	Name    string `json:"name"`
	Network string `json:"network"`
	Peers   []peer `json:"peers"`
	// Homes say in which cluster the record of a tenant is, by the host name it was given.
	Homes []home `json:"homes"`
	// Shared are the rows that other clusters may call.
	Shared   []string `json:"shared"`
	EastWest struct {
		Port int `json:"port"`
	} `json:"eastWest"`
}

type peer struct {
	Name     string `json:"name"`
	Network  string `json:"network"`
	Hostname string `json:"hostname"`
	// Addresses of its east-west gateway, each with a mask.
	Addresses []string `json:"addresses"`
}

type home struct {
	Hostname string `json:"hostname"`
	Cluster  string `json:"cluster"`
}

func readSetting(t *testing.T, path string) (s setting) {
	readJSON(t, path, &s)
	return s
}

func (s setting) isAmbient() bool { return s.Mode == "ambient" }

// clusterID is what istiod calls this cluster: its own word where it is given none.
func (s setting) clusterID() cluster.ID {
	if s.Clusters == nil {
		return constants.DefaultClusterName
	}
	return cluster.ID(s.Clusters.Name)
}

// Where the nodes of every cluster are: all in one place, so that nothing but the cluster tells near from far.
const (
	theRegion, theZone     = "region-1", "region-1-a"
	regionLabel, zoneLabel = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"
	clusterLabel           = "topology.istio.io/cluster"
)

// ownName of this cluster among others; empty where it is alone.
func (s setting) ownName() string {
	if s.Clusters == nil {
		return ""
	}
	return s.Clusters.Name
}

// turnedRound is the first of the other clusters as it sees this one.
func (s setting) turnedRound() setting {
	self, other := *s.Clusters, s.Clusters.Peers[0]
	s.Clusters = &clusters{
		Name: other.Name, Network: other.Network, Homes: self.Homes, Shared: self.Shared, EastWest: self.EastWest,
		Peers: []peer{{Name: self.Name, Network: self.Network}},
	}
	s.own = other.address()
	return s
}

// address of the peer's east-west gateway.
func (p peer) address() string { return strings.Split(p.Addresses[0], "/")[0] }
