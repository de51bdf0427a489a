package istioproof

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// matrix is mesh/matrix.yaml as cells.ts flattens it.
type matrix struct {
	Rows  []row  `json:"rows"`
	Cells []cell `json:"cells"`
	// RetryOn is what the listed retries are for, in Envoy's words.
	RetryOn string `json:"retryOn"`
	// What is outside the table and spoken to over TCP, by name, with its ports.
	Outside map[string][]int `json:"outside"`
	// CanaryShare is the share of calls, of 100, that the variant "canary" gives to a row's canary.
	CanaryShare map[string]int `json:"canaryShare"`
}

type row struct {
	Name    string   `json:"name"`
	Account string   `json:"account"`
	HTTP    int      `json:"http"`
	GRPC    int      `json:"grpc"`
	Calls   []string `json:"calls"`
	Stores  []string `json:"stores"`
	Egress  []string `json:"egress"`
}

// cell is one method or path of one service, with who may call it and how.
type cell struct {
	Server string `json:"server"`
	// Path is what a call asks for; one that ends in * is a prefix.
	Path string `json:"path"`
	// IsRPC: served on both ports, called by POST. Otherwise only on the http port.
	IsRPC bool     `json:"isRpc"`
	Verbs []string `json:"verbs"`
	// IsStream: no route timeout, no retries.
	IsStream       bool     `json:"isStream"`
	TimeoutSeconds int      `json:"timeoutSeconds"`
	Retries        int      `json:"retries"`
	Callers        []string `json:"callers"`
}

func readMatrix(t *testing.T, path string) (m matrix) {
	readJSON(t, path, &m)
	if len(m.Rows) == 0 || len(m.Cells) == 0 {
		t.Fatalf("%s: no rows or no cells", path)
	}
	return m
}

func (m matrix) row(name string) row {
	for _, r := range m.Rows {
		if r.Name == name {
			return r
		}
	}
	panic("no row " + name)
}

// example is a path that the cell stands for.
func (c cell) example() string {
	if prefix, isPrefix := strings.CutSuffix(c.Path, "*"); isPrefix {
		return prefix + "an-example"
	}
	return c.Path
}

// callersOn are those who may call the cell on a port. Services speak gRPC to each other; clients outside also Connect and
// gRPC-Web, which the http port answers, as it does plain paths.
func (c cell) callersOn(r row, port int) []string {
	switch {
	case port == r.GRPC && c.IsRPC:
		return c.Callers
	case port == r.HTTP && c.IsRPC:
		return slices.DeleteFunc(slices.Clone(c.Callers), func(name string) bool { return name != "ingress" })
	case port == r.HTTP:
		return c.Callers
	}
	return nil
}

func (c cell) String() string { return fmt.Sprintf("%s%s", c.Server, c.Path) }

func workload(rowName string) string { return release + "-" + rowName }
