package istioproof

// What stands around the release in a cluster: the Services that its values name, the Gateway's certificate, and a pod of
// the namespace that is none of ours.

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

// strangerName is a workload of the namespace that the matrix does not know.
const strangerName = "stranger"

func surroundingsOf(t *testing.T, m matrix, docs []doc) (out []doc) {
	var namespaces []string
	for _, d := range m.Destinations {
		if !d.isInside() {
			continue
		}
		parts := strings.Split(d.Host, ".")
		if !slices.Contains(namespaces, parts[1]) {
			namespaces = append(namespaces, parts[1])
			out = append(out, doc{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": parts[1], "labels": map[string]any{"istio-injection": "disabled"}}})
		}
		protocol := "tcp"
		if d.Name == "otlp" {
			protocol = "grpc"
		}
		out = append(out, doc{
			"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": parts[0], "namespace": parts[1]},
			"spec": map[string]any{"ports": []any{map[string]any{"name": protocol, "port": float64(d.Port), "appProtocol": protocol}}},
		})
	}
	hosts := map[string][]string{}
	for _, d := range docs {
		for _, listener := range d.list("spec", "listeners") {
			for _, reference := range listener.list("tls", "certificateRefs") {
				hosts[reference.text("name")] = append(hosts[reference.text("name")], listener.text("hostname"))
			}
		}
	}
	for secret, names := range hosts {
		out = append(out, certificateSecret(t, secret, names))
	}
	labels := map[string]any{"app.kubernetes.io/name": strangerName}
	return append(out, doc{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": workload(strangerName)},
		"spec": map[string]any{"selector": map[string]any{"matchLabels": labels}, "template": map[string]any{
			"metadata": map[string]any{"labels": labels},
			"spec": map[string]any{"serviceAccountName": strangerName, "containers": []any{map[string]any{
				"name": "main", "image": "main:1", "ports": []any{map[string]any{"name": "http", "containerPort": float64(8080)}}}}},
		}},
	})
}

// certificateSecret is what cert-manager would keep there.
func certificateSecret(t *testing.T, name string, hosts []string) doc {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), DNSNames: hosts}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, bytes []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}))
	}
	return doc{
		"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": map[string]any{"name": name},
		"data": map[string]any{"tls.crt": text("CERTIFICATE", certificate), "tls.key": text("PRIVATE KEY", private)},
	}
}
