package istioproof

// What a cluster's controllers add to applied documents, as far as istiod looks at it: addresses of Services, pods of
// Deployments with the injected container, EndpointSlices, and the workload behind a Gateway.

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"istio.io/istio/pilot/pkg/model"
)

// Istio's own namespace, and its class of Gateways for calls inside an ambient mesh.
const (
	istioNamespace = "istio-system"
	waypointClass  = "istio-waypoint"
)

// doc is one Kubernetes document.
type doc map[string]any

func (d doc) text(path ...string) string { s, _ := d.at(path...).(string); return s }

func (d doc) at(path ...string) any {
	var here any = map[string]any(d)
	for _, key := range path {
		fields, isMap := here.(map[string]any)
		if !isMap {
			return nil
		}
		here = fields[key]
	}
	return here
}

func (d doc) kind() string      { return d.text("kind") }
func (d doc) name() string      { return d.text("metadata", "name") }
func (d doc) namespace() string { return d.text("metadata", "namespace") }
func (d doc) String() string    { return d.kind() + " " + d.name() }

func (d doc) textMap(path ...string) map[string]string {
	out := map[string]string{}
	fields, _ := d.at(path...).(map[string]any)
	for key, value := range fields {
		out[key] = fmt.Sprint(value)
	}
	return out
}

func (d doc) list(path ...string) (out []doc) {
	items, _ := d.at(path...).([]any)
	for _, item := range items {
		if fields, isMap := item.(map[string]any); isMap {
			out = append(out, doc(fields))
		}
	}
	return out
}

func (d doc) number(path ...string) int { n, _ := d.at(path...).(float64); return int(n) }

// pod is one pod of the estate.
type pod struct {
	name, namespace, workload, account, ip string
	labels                                 map[string]string
	// ports by name
	ports map[string]int
	// proxy is what stands before it, or what it is.
	proxy model.NodeType
	// isGateway: clients come in through it.
	isGateway bool
	// isAmbient: taken into the mesh by its node, without a proxy of its own.
	isAmbient bool
	// cluster among others; empty where it is alone.
	cluster string
}

// site is where an estate stands: the first three bytes of its pods' addresses, and what its values say.
type site struct {
	network string
	setting setting
}

// principal is the identity in the pod's certificate.
func (p pod) principal(trustDomain string) string {
	return fmt.Sprintf("spiffe://%s/ns/%s/sa/%s", trustDomain, p.namespace, p.account)
}

var clusterScoped = map[string]bool{"Namespace": true, "GatewayClass": true, "Node": true, "PriorityClass": true, "ClusterRole": true, "ClusterRoleBinding": true}

// podsOf says how many pods a workload gets: engines two, because the choice between them is what is looked at.
func podsOf(d doc) int {
	if d.kind() == "StatefulSet" || strings.Contains(d.name(), "vllm") {
		return 2
	}
	return 1
}

// settle returns the documents with what controllers add, and the pods.
func settle(given []doc, at site) (docs []doc, pods []pod) {
	address := 10
	next := func() int { address++; return address }
	for _, d := range given {
		if d.namespace() == "" && !clusterScoped[d.kind()] {
			metadata, _ := d["metadata"].(map[string]any)
			metadata["namespace"] = namespace
		}
		if spec, isMap := d["spec"].(map[string]any); isMap && d.kind() == "Service" && spec["clusterIP"] == nil && spec["type"] != "ExternalName" {
			spec["clusterIP"] = fmt.Sprintf("10.96.0.%d", next())
		}
		docs = append(docs, d)
	}
	for _, d := range given {
		switch d.kind() {
		case "Deployment", "StatefulSet":
			for i := range podsOf(d) {
				pods = append(pods, workloadPod(d, i, fmt.Sprintf("%s.%d", at.network, next()), at.setting))
			}
		case "Gateway":
			if strings.HasPrefix(d.text("apiVersion"), "gateway.networking.k8s.io/") {
				p, service := gatewayParts(d, at, next)
				pods, docs = append(pods, p), append(docs, service)
			}
		}
	}
	for i := range pods {
		pods[i].cluster = at.setting.ownName()
		docs = append(docs, pods[i].doc())
	}
	for _, d := range append([]doc{}, docs...) {
		if d.kind() == "Service" && d.at("spec", "selector") != nil {
			docs = append(docs, endpointSlice(d, pods))
		}
	}
	return docs, pods
}

func workloadPod(d doc, index int, ip string, s setting) pod {
	template := doc{"template": d.at("spec", "template")}
	p := pod{
		// No two pods of a mesh have one name: a ReplicaSet's have random letters.
		name: strings.Join(slices.DeleteFunc([]string{d.name(), s.ownName(), fmt.Sprint(index)}, isEmpty), "-"), namespace: d.namespace(), workload: d.name(), ip: ip,
		account: template.text("template", "spec", "serviceAccountName"), labels: template.textMap("template", "metadata", "labels"), ports: map[string]int{},
		proxy: model.SidecarProxy,
	}
	if p.account == "" {
		p.account = "default"
	}
	for _, container := range template.list("template", "spec", "containers") {
		for _, port := range container.list("ports") {
			p.ports[port.text("name")] = port.number("containerPort")
		}
	}
	switch {
	case p.namespace == istioNamespace:
		// Istio's own east-west gateway, the one workload there that is looked at.
		p.proxy = model.Router
	case s.isAmbient():
		p.isAmbient = true
	case p.labels["sidecar.istio.io/inject"] != "false":
		// The injector's labels: with them istiod knows that the pod speaks mutual TLS, and where others reach it.
		p.labels["security.istio.io/tlsMode"] = "istio"
		if s.Clusters != nil {
			p.labels[networkLabel] = s.Clusters.Network
		}
	}
	return p
}

// gatewayParts is what istiod's deployment controller makes of a Gateway: of class istio the way in, of class
// istio-waypoint the proxy that ambient mode sends calls through. Neither is taken into the mesh by its node.
func gatewayParts(d doc, at site, next func() int) (pod, doc) {
	class := d.text("spec", "gatewayClassName")
	name, controller, proxy := d.name()+"-istio", "istio.io-gateway-controller", model.Router
	if class == waypointClass {
		name, controller, proxy = d.name(), "istio.io-mesh-controller", model.Waypoint
		d["status"] = map[string]any{"addresses": []any{map[string]any{"type": "Hostname", "value": fqdn(name)}}}
	}
	labels := d.textMap("spec", "infrastructure", "labels")
	maps.Copy(labels, map[string]string{
		"gateway.networking.k8s.io/gateway-name": d.name(), "gateway.networking.k8s.io/gateway-class-name": class,
		"gateway.istio.io/managed": controller, "service.istio.io/canonical-name": name, "istio.io/dataplane-mode": "none",
	})
	p := pod{
		name: name + "-0", namespace: d.namespace(), workload: name, account: name, ip: fmt.Sprintf("%s.%d", at.network, next()), labels: labels,
		ports: map[string]int{}, proxy: proxy, isGateway: proxy == model.Router,
	}
	var ports []any
	for _, listener := range d.list("spec", "listeners") {
		number, protocol := listener.number("port"), strings.ToLower(listener.text("protocol"))
		key := fmt.Sprintf("%s-%d", protocol, number)
		if p.ports[key] != 0 {
			continue
		}
		p.ports[key] = number
		ports = append(ports, map[string]any{"name": key, "port": float64(number), "targetPort": key, "appProtocol": protocol})
	}
	service := doc{
		"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": name, "namespace": d.namespace(), "labels": anyMap(labels)},
		"spec": map[string]any{"clusterIP": fmt.Sprintf("10.96.0.%d", next()), "selector": map[string]any{"gateway.networking.k8s.io/gateway-name": d.name()}, "ports": ports},
	}
	return p, service
}

func anyMap(texts map[string]string) map[string]any {
	out := map[string]any{}
	for key, value := range texts {
		out[key] = value
	}
	return out
}

func (p pod) doc() doc {
	labels := maps.Clone(p.labels)
	var ports []any
	for name, number := range p.ports {
		ports = append(ports, map[string]any{"name": name, "containerPort": float64(number)})
	}
	containers := []any{map[string]any{"name": "main", "image": "main:1", "ports": ports}}
	metadata := map[string]any{"name": p.name, "namespace": p.namespace, "labels": anyMap(labels)}
	if p.isAmbient {
		// As Istio's node agent writes it, once it has redirected the pod.
		metadata["annotations"] = map[string]any{"ambient.istio.io/redirection": "enabled"}
	} else {
		containers = append(containers, map[string]any{"name": "istio-proxy", "image": "proxyv2:1.31.0"})
	}
	spec := map[string]any{"serviceAccountName": p.account, "containers": containers}
	if p.cluster != "" {
		spec["nodeName"] = nodeName(p.cluster)
	}
	return doc{
		"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec,
		"status": map[string]any{"podIP": p.ip, "phase": "Running", "conditions": []any{map[string]any{"type": "Ready", "status": "True"}}},
	}
}

func endpointSlice(service doc, pods []pod) doc {
	selector := service.textMap("spec", "selector")
	var endpoints, ports []any
	var first pod
	for _, p := range pods {
		if p.namespace != service.namespace() || !isSubset(selector, p.labels) {
			continue
		}
		first = p
		endpoints = append(endpoints, map[string]any{
			"addresses": []any{p.ip}, "conditions": map[string]any{"ready": true},
			"targetRef": map[string]any{"kind": "Pod", "name": p.name, "namespace": p.namespace},
		})
	}
	for _, port := range service.list("spec", "ports") {
		number := port.number("targetPort")
		if name := port.text("targetPort"); name != "" {
			number = first.ports[name]
		} else if number == 0 {
			number = port.number("port")
		}
		ports = append(ports, map[string]any{"name": port.text("name"), "port": float64(number), "protocol": "TCP"})
	}
	return doc{
		"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
		"metadata": map[string]any{"name": service.name() + "-1", "namespace": service.namespace(), "labels": map[string]any{"kubernetes.io/service-name": service.name()}},
	}
}

func isEmpty(text string) bool { return text == "" }

func isSubset(part, whole map[string]string) bool {
	for key, value := range part {
		if whole[key] != value {
			return false
		}
	}
	return true
}
