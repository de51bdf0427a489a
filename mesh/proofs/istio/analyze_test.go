package istioproof

// All of Istio's analyzers over the rendered chart, through the Go API: the command line's `analyze --use-kube=false`
// leaves out every analyzer that looks at a Service, a Pod or a Namespace, and says so only with -v.

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"istio.io/istio/pilot/pkg/config/file"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/cluster"
	"istio.io/istio/pkg/config/analysis/analyzers"
	"istio.io/istio/pkg/config/analysis/diag"
	"istio.io/istio/pkg/config/analysis/legacy/util/kuberesource"
	"istio.io/istio/pkg/config/analysis/local"
)

// analyze gives what the analyzers say of an estate, every level of it, and how many of them looked.
func analyze(t *testing.T, e estate) (found diag.Messages, ran int) {
	t.Helper()
	source := local.NewSourceAnalyzer(analyzers.AllCombined(), "", "istio-system", nil)
	// Before everything else: it decides what the default resources are.
	if err := source.AddFileKubeMeshConfig(filepath.Join(os.Getenv("RENDERED"), e.variant, "mesh.yaml")); err != nil {
		t.Fatal(err)
	}
	for _, d := range e.docs {
		// Not an object of Kubernetes: which networks a mesh has, as Istio's own configuration may say it.
		if d.kind() == "MeshNetworks" {
			addNetworks(t, source, d)
			continue
		}
		// A document that cannot be read at all is a finding of its own in the planted faults.
		if err := source.AddTestReaderKubeSource([]local.ReaderSource{{Name: d.String(), Reader: strings.NewReader(d.yaml())}}); err != nil {
			t.Fatalf("%s: %v", d, err)
		}
	}
	if e.peer != nil {
		source.AddSourceForCluster(e.peerSource(t), cluster.ID(e.setting.Clusters.Peers[0].Name))
	}
	stop := make(chan struct{})
	defer close(stop)
	result, err := source.Analyze(stop)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.SkippedAnalyzers) != 0 {
		t.Errorf("left out: %v", result.SkippedAnalyzers)
	}
	return result.Messages, len(result.ExecutedAnalyzers)
}

func addNetworks(t *testing.T, source *local.IstiodAnalyzer, d doc) {
	file := filepath.Join(t.TempDir(), "networks.yaml")
	if err := os.WriteFile(file, []byte(doc(d.at("spec").(map[string]any)).yaml()), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := source.AddFileKubeMeshNetworks(file); err != nil {
		t.Fatal(err)
	}
}

// peerSource is what Istio's analyzers look at in another cluster: what says where its pods are, and no configuration.
func (e estate) peerSource(t *testing.T) model.ConfigStoreController {
	source := file.NewKubeSource(kuberesource.DefaultExcludedSchemas())
	for _, d := range e.peer {
		if d.text("apiVersion") != "v1" || !slices.Contains([]string{"Service", "Namespace", "Node", "Pod", "Secret"}, d.kind()) {
			continue
		}
		if err := source.ApplyContent(d.String(), d.yaml()); err != nil {
			t.Fatalf("%s: %v", d, err)
		}
	}
	return source
}

// TestAnalyzers: every variant is without a finding of any level.
func TestAnalyzers(t *testing.T) {
	for _, variant := range variants(t) {
		t.Run(variant, func(t *testing.T) {
			found, ran := analyze(t, readEstate(t, variant))
			for _, message := range found {
				t.Error(message.String())
			}
			t.Logf("%d analyzers", ran)
		})
	}
}

// variants are the folders of $RENDERED.
func variants(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(os.Getenv("RENDERED"))
	if err != nil {
		t.Skip("RENDERED names no folder: npm run mesh:prove -- analyzers renders one")
	}
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names
}
