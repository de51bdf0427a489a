package istioproof

// The control plane of the packets level: istiod's own generator over the rendered chart, served by ADS on a
// unix socket, and for each pod an SDS server that hands it the certificate of its service account. What a
// pod's agent does in a cluster. Namespaces, Envoys and services are the work of packets/*.ts, which starts this
// test as a process and ends it by closing its standard input.

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	secret "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"

	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pilot/pkg/model"
	v3 "istio.io/istio/pilot/pkg/xds/v3"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/config/schema/gatewayapi"
)

// packetsPod is one Envoy: the name of its sockets, and whose certificate it is given.
type packetsPod struct {
	Name   string `json:"name"`
	Spiffe string `json:"spiffe"`
}

// packetsCA signs the certificates of one run; nothing outside it believes them.
type packetsCA struct {
	key *ecdsa.PrivateKey
	crt *x509.Certificate
	pem []byte
}

func newPacketsCA(t *testing.T) *packetsCA {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	crt, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &packetsCA{key, crt, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// leaf makes a certificate. A workload's only name is its SPIFFE id, as in Istio; the ingress has names of the DNS.
func (ca *packetsCA) leaf(spiffe string, hosts ...string) (crt, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	var ids []*url.URL
	if spiffe != "" {
		id, err := url.Parse(spiffe)
		if err != nil {
			return nil, nil, err
		}
		ids = append(ids, id)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		URIs: ids, DNSNames: hosts, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.crt, &private.PublicKey, ca.key)
	if err != nil {
		return nil, nil, err
	}
	bytes, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: bytes}), nil
}

type packetsSDS struct {
	secret.UnimplementedSecretDiscoveryServiceServer
	ca     *packetsCA
	spiffe string
}

func (s *packetsSDS) StreamSecrets(stream secret.SecretDiscoveryService_StreamSecretsServer) error {
	for {
		request, err := stream.Recv()
		if err != nil {
			return err
		}
		// An acknowledgement asks for nothing.
		if request.ResponseNonce != "" {
			continue
		}
		answer := &discovery.DiscoveryResponse{
			VersionInfo: "1", Nonce: "1", TypeUrl: "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
		}
		for _, name := range request.ResourceNames {
			made := &tlsv3.Secret{Name: name}
			if name == "ROOTCA" {
				made.Type = &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{TrustedCa: packetsInline(s.ca.pem)}}
			} else {
				crt, key, err := s.ca.leaf(s.spiffe)
				if err != nil {
					return err
				}
				made.Type = &tlsv3.Secret_TlsCertificate{TlsCertificate: packetsChain(crt, key)}
			}
			packed, err := anypb.New(made)
			if err != nil {
				return err
			}
			answer.Resources = append(answer.Resources, packed)
		}
		if err := stream.Send(answer); err != nil {
			return err
		}
	}
}

// packetsSecrets hands the gateway its one Secret. istiod's own generator does so only for proxies that prove who they
// are, which nobody does on a unix socket.
type packetsSecrets struct{ crt, key []byte }

func (s packetsSecrets) Generate(_ *model.Proxy, watched *model.WatchedResource, _ *model.PushRequest) (model.Resources, model.XdsLogDetails, error) {
	var found model.Resources
	for name := range watched.ResourceNames {
		made := &tlsv3.Secret{Name: name, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: packetsChain(s.crt, s.key)}}
		packed, err := anypb.New(made)
		if err != nil {
			return nil, model.DefaultXdsLogDetails, err
		}
		found = append(found, &discovery.Resource{Name: name, Resource: packed})
	}
	return found, model.DefaultXdsLogDetails, nil
}

func packetsInline(bytes []byte) *core.DataSource {
	return &core.DataSource{Specifier: &core.DataSource_InlineBytes{InlineBytes: bytes}}
}

func packetsChain(crt, key []byte) *tlsv3.TlsCertificate {
	return &tlsv3.TlsCertificate{CertificateChain: packetsInline(crt), PrivateKey: packetsInline(key)}
}

// packetsTLS is the Secret of the ingress, which a cluster gets from its certificate manager.
type packetsTLS struct {
	Namespace string   `json:"namespace"`
	Name      string   `json:"name"`
	Hosts     []string `json:"hosts"`
}

func (tls packetsTLS) object(t *testing.T, crt, key []byte) string {
	text, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
		"metadata": map[string]string{"namespace": tls.Namespace, "name": tls.Name},
		"data":     map[string][]byte{"tls.crt": crt, "tls.key": key},
	})
	if err != nil {
		t.Fatal(err)
	}
	return "\n---\n" + string(text)
}

// packetsSocket listens where Envoys of another user can connect.
func packetsSocket(path string) (net.Listener, error) {
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	return listener, os.Chmod(path, 0o777)
}

func packetsRead(t *testing.T, name string) string {
	bytes, err := os.ReadFile(filepath.Join(os.Getenv("PACKETS"), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes)
}

func packetsWrite(t *testing.T, name string, bytes []byte) {
	if err := os.WriteFile(filepath.Join(os.Getenv("PACKETS"), name), bytes, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestPacketsControlPlane serves the files of the folder PACKETS until standard input ends: objects.yaml
// (Kubernetes), istio.yaml, mesh.yaml (meshConfig), pods.json and tls.json. It leaves ca.pem and each pod's certificate
// there, for callers that speak TLS themselves. It says "control plane ready" when Envoys may come.
func TestPacketsControlPlane(t *testing.T) {
	dir := os.Getenv("PACKETS")
	if dir == "" {
		t.Skip("serves a run of the packets level, which names its folder in PACKETS")
	}
	// Off: what an Envoy without Istio's own filters cannot load.
	features.MetadataExchange, features.ALPNFilter, features.DisableMxALPN = false, false, true
	// The fake's CRDs carry no bundle version, and GRPCRoute and others would be ignored for it.
	clear(gatewayapi.MinimumCRDVersions)
	config, err := mesh.ApplyMeshConfigDefaults(packetsRead(t, "mesh.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	ca := newPacketsCA(t)
	packetsWrite(t, "ca.pem", ca.pem)
	var tls packetsTLS
	if err := json.Unmarshal([]byte(packetsRead(t, "tls.json")), &tls); err != nil {
		t.Fatal(err)
	}
	crt, key, err := ca.leaf("", tls.Hosts...)
	if err != nil {
		t.Fatal(err)
	}
	server := xds.NewFakeDiscoveryServer(t, xds.FakeOptions{
		KubernetesObjectString: packetsRead(t, "objects.yaml") + tls.object(t, crt, key), ConfigString: packetsRead(t, "istio.yaml"), MeshConfig: config,
		ListenerBuilder: func() (net.Listener, error) { return packetsSocket(filepath.Join(dir, "ads")) },
	})
	server.Discovery.Generators[v3.SecretType] = packetsSecrets{crt, key}
	var pods []packetsPod
	if err := json.Unmarshal([]byte(packetsRead(t, "pods.json")), &pods); err != nil {
		t.Fatal(err)
	}
	for _, pod := range pods {
		crt, key, err := ca.leaf(pod.Spiffe)
		if err != nil {
			t.Fatal(err)
		}
		packetsWrite(t, "crt-"+pod.Name+".pem", crt)
		packetsWrite(t, "key-"+pod.Name+".pem", key)
		listener, err := packetsSocket(filepath.Join(dir, "sds-"+pod.Name))
		if err != nil {
			t.Fatal(err)
		}
		sds := grpc.NewServer()
		secret.RegisterSecretDiscoveryServiceServer(sds, &packetsSDS{ca: ca, spiffe: pod.Spiffe})
		go sds.Serve(listener)
		t.Cleanup(sds.Stop)
	}
	fmt.Println("control plane ready")
	packetsObey(server, os.Stdin)
}
