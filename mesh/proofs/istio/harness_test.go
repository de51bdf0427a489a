package istioproof

// The rendered chart as istiod sees it. Every test of this package works on an estate (the documents of one render, plus
// what a cluster's controllers would add) and asks istiod's own code what a proxy of it is given.

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	meshapi "istio.io/api/mesh/v1alpha1"
	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/simulation"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/config/schema/gatewayapi"
	"istio.io/istio/pkg/log"
	"sigs.k8s.io/yaml"
)

const (
	release   = "warmpath"
	namespace = "warmpath"
)

func init() {
	// istiod tells its whole life at "info".
	for _, scope := range log.Scopes() {
		scope.SetOutputLevel(log.ErrorLevel)
	}
}

// estate is one render of the chart, together with the table that it was made from.
type estate struct {
	docs   []doc
	pods   []pod
	matrix matrix
	mesh   *meshapi.MeshConfig
	// canary is the share of calls, of 100, that go to a row's canary.
	canary map[string]int
}

// readEstate reads $RENDERED/<variant>, which istio.ts fills: k8s.yaml, istio.yaml, gateway.yaml, and beside the variants
// matrix.json and mesh.yaml.
func readEstate(t *testing.T, variant string) estate {
	t.Helper()
	root := os.Getenv("RENDERED")
	if root == "" {
		t.Skip("RENDERED names no folder: npm run mesh:prove -- simulation renders one")
	}
	e := estate{matrix: readMatrix(t, filepath.Join(root, "matrix.json")), mesh: readMeshConfig(t, filepath.Join(root, "mesh.yaml"))}
	var docs []doc
	for _, file := range []string{"k8s.yaml", "istio.yaml", "gateway.yaml"} {
		docs = append(docs, readDocs(t, filepath.Join(root, variant, file))...)
	}
	surroundings := append(readDocs(t, "testdata/surroundings.yaml"), surroundingsOf(t, e.matrix, docs)...)
	e.docs, e.pods = settle(append(surroundings, docs...))
	if variant == "canary" {
		e.canary = e.matrix.CanaryShare
	}
	return e
}

func readDocs(t *testing.T, path string) (docs []doc) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split("\n"+string(text), "\n---") {
		var d doc
		if err := yaml.Unmarshal([]byte(part), &d); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if d != nil {
			docs = append(docs, d)
		}
	}
	return docs
}

func readMeshConfig(t *testing.T, path string) *meshapi.MeshConfig {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	config, err := mesh.ApplyMeshConfigDefaults(string(text))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return config
}

// readJSON is for the files that TypeScript writes for us: an unknown field is a misunderstanding between the two.
func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// yamlOf joins the documents that istiod reads as Kubernetes objects, or those it reads as its own configuration.
func (e estate) yamlOf(isWanted func(doc) bool) string {
	var parts []string
	for _, d := range e.docs {
		if isWanted(d) {
			text, err := yaml.Marshal(d)
			if err != nil {
				panic(err)
			}
			parts = append(parts, string(text))
		}
	}
	return strings.Join(parts, "\n---\n")
}

func isIstioKind(d doc) bool {
	return strings.HasSuffix(strings.Split(d.text("apiVersion"), "/")[0], ".istio.io")
}

// world is an estate with an istiod over it.
type world struct {
	estate
	server *xds.FakeDiscoveryServer
	sims   map[string]*simulation.Simulation
}

// plainEnvoy switches off what an Envoy without Istio's own filters cannot load, and the fake's look at the bundle version
// of its CRDs: they carry none, so GRPCRoute and others would be ignored without a word.
var plainEnvoy = sync.OnceFunc(func() {
	features.MetadataExchange, features.ALPNFilter, features.DisableMxALPN = false, false, true
	clear(gatewayapi.MinimumCRDVersions)
})

// start makes the world of an estate; listen may be nil, or give a socket that real Envoys reach it by.
func (e estate) start(t *testing.T, listen func() (net.Listener, error)) *world {
	t.Helper()
	plainEnvoy()
	server := xds.NewFakeDiscoveryServer(t, xds.FakeOptions{
		KubernetesObjectString: e.yamlOf(func(d doc) bool { return !isIstioKind(d) }),
		ConfigString:           e.yamlOf(isIstioKind),
		MeshConfig:             e.mesh,
		ListenerBuilder:        listen,
	})
	return &world{estate: e, server: server, sims: map[string]*simulation.Simulation{}}
}

// simulate gives what istiod sends to the proxy of a pod, made once.
func (w *world) simulate(t *testing.T, p pod) *simulation.Simulation {
	t.Helper()
	if w.sims[p.name] == nil {
		w.sims[p.name] = simulation.NewSimulation(t, w.server, w.server.SetupProxy(proxyOf(p)))
	}
	return w.sims[p.name]
}

// proxyOf is the node that a pod's proxy says it is.
func proxyOf(p pod) *model.Proxy {
	kind := model.SidecarProxy
	if p.isGateway {
		kind = model.Router
	}
	return &model.Proxy{
		Type: kind, ID: p.name + "." + p.namespace, ConfigNamespace: p.namespace, IPAddresses: []string{p.ip}, Labels: p.labels,
		DNSDomain: p.namespace + ".svc.cluster.local",
		Metadata: &model.NodeMetadata{
			Namespace: p.namespace, Labels: p.labels, ServiceAccount: p.account, IstioVersion: "1.31.0", ClusterID: "Kubernetes",
		},
	}
}

// podOf finds the first pod of a workload by the name of its Deployment.
func (e estate) podOf(workload string) (pod, bool) {
	for _, p := range e.pods {
		if p.workload == workload {
			return p, true
		}
	}
	return pod{}, false
}

func (e estate) mustPod(t *testing.T, workload string) pod {
	t.Helper()
	p, found := e.podOf(workload)
	if !found {
		t.Fatalf("the render has no workload %s", workload)
	}
	return p
}

func fqdn(service string) string { return fmt.Sprintf("%s.%s.svc.cluster.local", service, namespace) }
