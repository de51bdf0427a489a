package istioproof

// What the control plane of the packets level is told while it serves, line by line on its standard input.

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pilot/test/xds"
)

// packetsOrder is a line on standard input: exactly one of these.
type packetsOrder struct {
	// Ready says which addresses of an EndpointSlice are ready.
	Ready *packetsReady `json:"ready"`
	// Put is an object of Istio or a route of the Gateway API, instead of the one of its name.
	Put json.RawMessage `json:"put"`
	// Remove is such an object of Istio's, which is to be there no more.
	Remove json.RawMessage `json:"remove"`
}

type packetsReady struct {
	Namespace string          `json:"namespace"`
	Slice     string          `json:"slice"`
	Addresses map[string]bool `json:"addresses"`
}

// packetsObey does what the lines say, and answers each with "order done" or what kept it from that.
func packetsObey(server *xds.FakeDiscoveryServer, lines io.Reader) {
	orders := bufio.NewScanner(lines)
	orders.Buffer(nil, 1<<20)
	for orders.Scan() {
		var order packetsOrder
		err := json.Unmarshal(orders.Bytes(), &order)
		switch {
		case err != nil:
		case order.Ready != nil:
			err = packetsSetReady(server, *order.Ready)
		case order.Put != nil:
			err = packetsPut(server, order.Put)
		default:
			err = packetsRemove(server, order.Remove)
		}
		if err != nil {
			fmt.Printf("order failed: %q\n", err.Error())
		} else {
			fmt.Println("order done")
		}
	}
}

func packetsSetReady(server *xds.FakeDiscoveryServer, order packetsReady) error {
	slices := server.KubeClient().Kube().DiscoveryV1().EndpointSlices(order.Namespace)
	slice, err := slices.Get(context.Background(), order.Slice, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for i, endpoint := range slice.Endpoints {
		if ready, isNamed := order.Addresses[endpoint.Addresses[0]]; isNamed {
			slice.Endpoints[i].Conditions.Ready = &ready
		}
	}
	_, err = slices.Update(context.Background(), slice, metav1.UpdateOptions{})
	return err
}

func packetsPut(server *xds.FakeDiscoveryServer, object json.RawMessage) error {
	var head metav1.TypeMeta
	if err := json.Unmarshal(object, &head); err != nil {
		return err
	}
	routes := server.KubeClient().GatewayAPI().GatewayV1()
	switch head.Kind {
	case "HTTPRoute":
		var route gateway.HTTPRoute
		if err := json.Unmarshal(object, &route); err != nil {
			return err
		}
		_, err := routes.HTTPRoutes(route.Namespace).Update(context.Background(), &route, metav1.UpdateOptions{})
		return err
	case "GRPCRoute":
		var route gateway.GRPCRoute
		if err := json.Unmarshal(object, &route); err != nil {
			return err
		}
		_, err := routes.GRPCRoutes(route.Namespace).Update(context.Background(), &route, metav1.UpdateOptions{})
		return err
	}
	configs, _, err := crd.ParseInputs(string(object))
	if err != nil {
		return err
	}
	for _, each := range configs {
		earlier := server.Store().Get(each.GroupVersionKind, each.Name, each.Namespace)
		if earlier == nil {
			_, err = server.Store().Create(each)
		} else {
			each.ResourceVersion = earlier.ResourceVersion
			_, err = server.Store().Update(each)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func packetsRemove(server *xds.FakeDiscoveryServer, object json.RawMessage) error {
	configs, _, err := crd.ParseInputs(string(object))
	if err != nil {
		return err
	}
	for _, each := range configs {
		if err := server.Store().Delete(each.GroupVersionKind, each.Name, each.Namespace, nil); err != nil {
			return err
		}
	}
	return nil
}
