package istioproof

// What istiod generates is valid to an Envoy: listeners, clusters and routes of every pod of ours become the static
// resources of a bootstrap, and a real binary looks at them with --mode validate. No packets, no root.

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	bootstrap "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	internal "github.com/envoyproxy/go-control-plane/envoy/extensions/bootstrap/internal_listener/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// TestEnvoyAccepts needs ENVOY, which envoy.ts finds.
func TestEnvoyAccepts(t *testing.T) {
	envoy := os.Getenv("ENVOY")
	if envoy == "" {
		t.Skip("not run: ENVOY names no binary")
	}
	// In ambient mode the pods have no proxies, and the waypoint has filters of Istio's own, which a plain Envoy does not know.
	for _, variant := range without(variants(t), "ambient") {
		w := readEstate(t, variant).start(t, nil)
		for _, p := range w.pods {
			if p.namespace != namespace && p.workload != eastWestName {
				continue
			}
			t.Run(variant+"/"+p.name, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "bootstrap.json")
				if err := os.WriteFile(file, bootstrapOf(t, w, p), 0o644); err != nil {
					t.Fatal(err)
				}
				output, err := exec.Command(envoy, "--mode", "validate", "-c", file, "-l", "error").CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %s", err, output)
				}
			})
		}
	}
}

func bootstrapOf(t *testing.T, w *world, p pod) []byte {
	sim := w.simulate(t, p)
	agent := func(name string) *cluster.Cluster {
		return &cluster.Cluster{Name: name, ClusterDiscoveryType: &cluster.Cluster_Type{Type: cluster.Cluster_STATIC}}
	}
	extension, err := anypb.New(&internal.InternalListener{})
	if err != nil {
		t.Fatal(err)
	}
	source := &core.ApiConfigSource{ApiType: core.ApiConfigSource_GRPC, TransportApiVersion: core.ApiVersion_V3, GrpcServices: []*core.GrpcService{
		{TargetSpecifier: &core.GrpcService_EnvoyGrpc_{EnvoyGrpc: &core.GrpcService_EnvoyGrpc{ClusterName: "xds-grpc"}}}}}
	var clusters []*cluster.Cluster
	for _, c := range sim.Clusters {
		clusters = append(clusters, proto.Clone(c).(*cluster.Cluster))
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(&bootstrap.Bootstrap{
		Node:                &core.Node{Id: p.name, Cluster: p.workload},
		BootstrapExtensions: []*core.TypedExtensionConfig{{Name: "envoy.bootstrap.internal_listener", TypedConfig: extension}},
		DynamicResources:    &bootstrap.Bootstrap_DynamicResources{AdsConfig: source},
		StaticResources: &bootstrap.Bootstrap_StaticResources{
			Listeners: sim.Listeners, Clusters: append(clusters, agent("xds-grpc"), agent("sds-grpc")),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}
