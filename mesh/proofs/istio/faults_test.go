package istioproof

// The analyzers are shown to look: a planted fault of each kind that they know is found, and the kinds that no rendering
// of this chart can have are named with the reason.

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"istio.io/istio/pkg/config/analysis/msg"
	"istio.io/istio/pkg/config/schema/gatewayapi"
	"sigs.k8s.io/yaml"
)

// outOfReach are the messages that no analyzer gives for documents of a chart.
var outOfReach = map[string]string{
	"IST0001": "a fault of the analyzer itself",
	"IST0136": "its analyzer is not among all of them: Istio leaves it out as too noisy",
	"IST0139": "webhooks are Istio's own installation",
	"IST0141": "asked before an installation, at a cluster",
	"IST0142": "asked before an installation, at a cluster",
	"IST0143": "needs the sockets of a running pod",
	"IST0146": "needs the injector's webhook among the documents",
	"IST0148": "needs an injector that is on by default",
	"IST0151": "EnvoyFilter: the chart has none", "IST0152": "EnvoyFilter", "IST0153": "EnvoyFilter", "IST0154": "EnvoyFilter", "IST0155": "EnvoyFilter",
	"IST0156": "asked before an installation, at a cluster",
	"IST0158": "needs the injector's configuration among the documents",
	"IST0163": "a control plane outside the cluster", "IST0164": "a control plane outside the cluster",
	"IST0168": "asked before an upgrade, at a cluster", "IST0169": "asked before an upgrade, at a cluster",
	"IST0172": "asked before an installation, at a cluster",
}

type fault struct {
	code, words string
	docs        []doc
}

// faultFiles are the planted faults, and the variant that each is planted in: what only several clusters or ambient mode
// can have wrong is planted there.
var faultFiles = map[string]string{"production": "faults.yaml", "second-cluster": "faults-second-cluster.yaml", "ambient": "faults-ambient.yaml"}

func readFaults(t *testing.T, name string) (faults []fault) {
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	for _, section := range strings.Split(string(text), "\n#### ")[1:] {
		head, body, _ := strings.Cut(section, "\n")
		code, words, _ := strings.Cut(head, " ")
		f := fault{code: code, words: words}
		for _, part := range strings.Split(body, "\n---\n") {
			var d doc
			if err := yaml.Unmarshal([]byte(part), &d); err != nil {
				t.Fatalf("%s %s: %v", code, words, err)
			}
			if metadata := d["metadata"].(map[string]any); metadata["namespace"] == nil && !clusterScoped[d.kind()] {
				metadata["namespace"] = namespace
			}
			f.docs = append(f.docs, d)
		}
		faults = append(faults, f)
	}
	return faults
}

// plant adds documents, in place of those of the same kind and name.
func (e estate) plant(planted []doc) estate {
	docs := slices.DeleteFunc(slices.Clone(e.docs), func(d doc) bool {
		return slices.ContainsFunc(planted, func(p doc) bool {
			return p.String() == d.String() && strings.Split(p.text("apiVersion"), "/")[0] == strings.Split(d.text("apiVersion"), "/")[0]
		})
	})
	e.docs = append(docs, planted...)
	return e
}

// TestPlantedFaults: each planted fault is found, and each kind of fault that the analyzers know is planted or out of reach.
func TestPlantedFaults(t *testing.T) {
	// The simulation does without these, and shares the process.
	if len(gatewayapi.MinimumCRDVersions) == 0 {
		t.Fatal("Istio's least versions of the Gateway API are gone: this test has to run before a server starts")
	}
	isPlanted := map[string]bool{}
	for variant, name := range faultFiles {
		e := readEstate(t, variant)
		for _, f := range readFaults(t, name) {
			isPlanted[f.code] = true
			t.Run(variant+"/"+f.code+" "+f.words, func(t *testing.T) {
				found, _ := analyze(t, e.plant(f.docs))
				var words []string
				for _, message := range found {
					words = append(words, message.String())
					if message.Type.Code() == f.code {
						t.Log(message.String())
						return
					}
				}
				t.Errorf("not found; instead: %s", strings.Join(words, "; "))
			})
		}
	}
	for _, kind := range msg.All() {
		if _, isOut := outOfReach[kind.Code()]; !isPlanted[kind.Code()] && !isOut {
			t.Errorf("%s: neither planted nor out of reach", kind.Code())
		} else if isPlanted[kind.Code()] && isOut {
			t.Errorf("%s: planted, and said to be out of reach", kind.Code())
		}
	}
}
