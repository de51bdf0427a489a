package istioproof

// The rendered chart as istiod sees it. Every test of this package works on an estate (the documents of one render, plus
// what a cluster's controllers would add) and asks istiod's own code what a proxy of it is given.

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	meshapi "istio.io/api/mesh/v1alpha1"
	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/simulation"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/cluster"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/config/schema/gatewayapi"
	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/network"
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
	variant string
	docs    []doc
	pods    []pod
	matrix  matrix
	mesh    *meshapi.MeshConfig
	setting setting
	// peer is what the other cluster's API server has, where there is one.
	peer []doc
	// canary is the share of calls, of 100, that go to a row's canary.
	canary map[string]int
}

// readEstate reads $RENDERED/<variant>, which render.ts fills: k8s.yaml, istio.yaml, gateway.yaml, setting.json, mesh.yaml,
// and the same of another cluster in peer/; beside the variants matrix.json.
func readEstate(t *testing.T, variant string) estate {
	t.Helper()
	root := os.Getenv("RENDERED")
	if root == "" {
		t.Skip("RENDERED names no folder: npm run mesh:prove -- simulation renders one")
	}
	folder := filepath.Join(root, variant)
	e := estate{
		variant: variant,
		matrix:  readMatrix(t, filepath.Join(root, "matrix.json")), mesh: readMeshConfig(t, filepath.Join(folder, "mesh.yaml")),
		setting: readSetting(t, filepath.Join(folder, "setting.json")),
	}
	e.docs, e.pods = settle(readCluster(t, folder, e.setting), site{"10.77.0", e.setting})
	if e.setting.Clusters != nil {
		turned := e.setting.turnedRound()
		e.peer, _ = settle(readCluster(t, filepath.Join(folder, "peer"), turned), site{"10.78.0", turned})
	}
	if variant == "canary" {
		e.canary = e.matrix.CanaryShare
	}
	return e
}

// readCluster reads what is applied to one cluster, and what stands around it there.
func readCluster(t *testing.T, folder string, s setting) (docs []doc) {
	for _, file := range []string{"k8s.yaml", "istio.yaml", "gateway.yaml"} {
		docs = append(docs, readDocs(t, filepath.Join(folder, file))...)
	}
	surroundings := append(readDocs(t, "testdata/surroundings.yaml"), surroundingsOf(t, s, docs)...)
	return append(surroundings, docs...)
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
func yamlOf(docs []doc, isWanted func(doc) bool) string {
	var parts []string
	for _, d := range docs {
		if isWanted(d) {
			parts = append(parts, d.yaml())
		}
	}
	return strings.Join(parts, "\n---\n")
}

func (d doc) yaml() string {
	text, err := yaml.Marshal(d)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func isKubernetesKind(d doc) bool { return !isIstioKind(d) }

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
	options := xds.FakeOptions{
		KubernetesObjectString: yamlOf(e.docs, isKubernetesKind),
		ConfigString:           yamlOf(e.docs, isIstioKind),
		MeshConfig:             e.mesh,
		ListenerBuilder:        listen,
	}
	if e.setting.isAmbient() {
		// Policies and hosts for ztunnels are read from the API server itself.
		options.KubernetesObjectString = yamlOf(e.docs, func(d doc) bool {
			return isKubernetesKind(d) || slices.Contains([]string{"AuthorizationPolicy", "PeerAuthentication", "ServiceEntry"}, d.kind())
		})
	}
	if e.setting.Clusters != nil {
		options.DefaultClusterName = e.setting.clusterID()
		options.KubernetesObjectStringByCluster = map[cluster.ID]string{cluster.ID(e.setting.Clusters.Peers[0].Name): yamlOf(e.peer, isKubernetesKind)}
	}
	return &world{estate: e, server: xds.NewFakeDiscoveryServer(t, options), sims: map[string]*simulation.Simulation{}}
}

// simulate gives what istiod sends to the proxy of a pod, made once.
func (w *world) simulate(t *testing.T, p pod) *simulation.Simulation {
	t.Helper()
	if w.sims[p.name] == nil {
		w.sims[p.name] = simulation.NewSimulation(t, w.server, w.server.SetupProxy(w.proxyOf(p)))
	}
	return w.sims[p.name]
}

// proxyOf is the node that a pod's proxy says it is.
func (w *world) proxyOf(p pod) *model.Proxy {
	proxy := &model.Proxy{
		Type: p.proxy, ID: p.name + "." + p.namespace, ConfigNamespace: p.namespace, IPAddresses: []string{p.ip}, Labels: p.labels,
		DNSDomain: p.namespace + ".svc.cluster.local",
		Metadata: &model.NodeMetadata{
			Namespace: p.namespace, Labels: p.labels, ServiceAccount: p.account, IstioVersion: "1.31.0", ClusterID: w.setting.clusterID(),
		},
	}
	if w.setting.Clusters == nil {
		return proxy
	}
	// What istiod reads of the pod's node when a proxy connects.
	proxy.Metadata.Network = network.ID(w.setting.Clusters.Network)
	proxy.Locality = &core.Locality{Region: theRegion, Zone: theZone}
	proxy.Labels = maps.Clone(p.labels)
	maps.Copy(proxy.Labels, map[string]string{clusterLabel: w.setting.Clusters.Name, regionLabel: theRegion, zoneLabel: theZone})
	return proxy
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
