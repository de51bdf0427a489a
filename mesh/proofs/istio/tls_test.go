package istioproof

import (
	"testing"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
)

// peers are the identities that a cluster's mutual TLS takes for the callee; none: any of them, or no TLS at all.
func peers(t *testing.T, c *cluster.Cluster) (out []string) {
	sockets := []*core.TransportSocket{c.GetTransportSocket()}
	for _, match := range c.GetTransportSocketMatches() {
		sockets = append(sockets, match.TransportSocket)
	}
	for _, socket := range sockets {
		context := &tlsv3.UpstreamTlsContext{}
		if socket.GetTypedConfig() == nil || socket.GetTypedConfig().UnmarshalTo(context) != nil {
			continue
		}
		if len(context.GetCommonTlsContext().GetTlsCertificateSdsSecretConfigs()) == 0 {
			t.Logf("%s: TLS without a certificate of our own", c.Name)
			continue
		}
		combined := context.GetCommonTlsContext().GetCombinedValidationContext().GetDefaultValidationContext()
		//nolint:staticcheck // the field that Istio fills
		for _, name := range combined.GetMatchSubjectAltNames() {
			out = append(out, name.GetExact())
		}
	}
	return out
}
