package istioproof

// What stands around the release in a cluster: the Services that its values name, the Gateway's certificate, and a pod of
// the namespace that is none of ours.

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

// strangerName is a workload of the namespace that the matrix does not know.
const strangerName = "stranger"

func surroundingsOf(t *testing.T, s setting, docs []doc) (out []doc) {
	out = meshNamespaces(s)
	if s.Clusters != nil {
		out = append(out, clusterSurroundings(s, docs)...)
	}
	var namespaces []string
	for _, d := range s.Destinations {
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

// meshNamespaces are ours and Istio's, each with the label that makes it part of the mesh, or of a network.
func meshNamespaces(s setting) []doc {
	ours, istios := map[string]any{"istio-injection": "enabled"}, map[string]any{}
	if s.isAmbient() {
		ours = map[string]any{"istio.io/dataplane-mode": "ambient"}
	}
	if s.Clusters != nil {
		istios[networkLabel] = s.Clusters.Network
	}
	named := func(name string, labels map[string]any) doc {
		return doc{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name, "labels": labels}}
	}
	return []doc{named(namespace, ours), named(istioNamespace, istios)}
}

// networkLabel tells istiod which pods reach each other, and where the way into a network is.
const networkLabel = "topology.istio.io/network"

// clusterSurroundings are what several clusters in one mesh have besides: Istio's own chart "gateway" as the east-west
// gateway, to whose pods the chart's Gateway refers (a Deployment, and a Service of an address that the others see); the
// secret by which istiod finds another cluster; and a node, whose labels say how far a pod is away.
func clusterSurroundings(s setting, docs []doc) (out []doc) {
	self, other := s.Clusters, s.Clusters.Peers[0]
	for _, d := range docs {
		if d.kind() != "Gateway" || !isIstioKind(d) {
			continue
		}
		labels := d.at("spec", "selector").(map[string]any)
		var ports []any
		for _, server := range d.list("spec", "servers") {
			number := float64(server.number("port", "number"))
			ports = append(ports, map[string]any{"name": server.text("port", "name"), "port": number, "targetPort": number, "protocol": "TCP"})
		}
		metadata := func() map[string]any {
			both := map[string]any{networkLabel: self.Network}
			maps.Copy(both, labels)
			return map[string]any{"name": eastWestName, "namespace": istioNamespace, "labels": both}
		}
		out = append(out, doc{
			"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(),
			"spec": map[string]any{"selector": map[string]any{"matchLabels": labels}, "template": map[string]any{
				"metadata": metadata(), "spec": map[string]any{"serviceAccountName": eastWestName, "containers": []any{map[string]any{
					"name": "istio-proxy", "image": "proxyv2:1.31.0", "ports": []any{map[string]any{"name": "tls", "containerPort": float64(self.EastWest.Port)}}}}},
			}},
		}, doc{
			"apiVersion": "v1", "kind": "Service", "metadata": metadata(),
			"spec":   map[string]any{"type": "LoadBalancer", "selector": labels, "ports": ports},
			"status": map[string]any{"loadBalancer": map[string]any{"ingress": []any{map[string]any{"ip": cmp.Or(s.own, "198.51.100.7")}}}},
		})
	}
	return append(out, doc{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{
			"name": "istio-remote-secret-" + other.Name, "namespace": istioNamespace, "labels": map[string]any{"istio/multiCluster": "true"}},
		"data": map[string]any{other.Name: base64.StdEncoding.EncodeToString([]byte("a kubeconfig"))},
	}, doc{
		"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": nodeName(self.Name), "labels": map[string]any{
			regionLabel: theRegion, zoneLabel: theZone}},
	})
}

// eastWestName is what docs/DEPLOY.md has Istio's chart installed as.
const eastWestName = "istio-eastwestgateway"

func nodeName(cluster string) string { return "node-of-" + cluster }

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
