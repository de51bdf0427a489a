package istioproof

// Ways to lose or widen what only several clusters have.

// eastWestMutations are of the Gateway that calls of the other clusters come through.
func eastWestMutations(d doc) (out []mutation) {
	add := func(name string, edit func(server doc)) {
		out = append(out, mutation{name, func(d doc) doc { edit(d.list("spec", "servers")[0]); return d }})
	}
	add("for every service", func(server doc) { server["hosts"] = []any{"*.local"} })
	add("for the record too", func(server doc) { server["hosts"] = append(server["hosts"].([]any), fqdn(workload("state"))) })
	add("opens their TLS", func(server doc) { server["tls"] = map[string]any{"mode": "ISTIO_MUTUAL"} })
	add("on another port", func(server doc) { server.at("port").(map[string]any)["number"] = float64(15444) })
	return out
}

// clusterMutationsOf are what can be done to documents that one cluster has too.
func clusterMutationsOf(d doc) (out []mutation) {
	add := func(name string, edit func(d doc)) {
		out = append(out, mutation{name, func(d doc) doc { edit(d); return d }})
	}
	switch d.kind() {
	case "DestinationRule":
		if d.name() == workload("inference-proxy") {
			add("the far ones as the near ones", func(d doc) {
				d.at("spec", "trafficPolicy", "loadBalancer").(map[string]any)["localityLbSetting"] = map[string]any{"enabled": false}
			})
		}
	case "Gateway":
		if d.text("spec", "gatewayClassName") == "istio" {
			add("without a tenant's name", func(d doc) {
				spec := d["spec"].(map[string]any)
				listeners := spec["listeners"].([]any)
				spec["listeners"] = listeners[:len(listeners)-1]
			})
		}
	case "HTTPRoute":
		spec := doc(d["spec"].(map[string]any))
		if len(spec.list("parentRefs")) > 1 {
			add("not for a tenant's name", func(d doc) {
				spec := d["spec"].(map[string]any)
				spec["parentRefs"], spec["hostnames"] = spec["parentRefs"].([]any)[:1], spec["hostnames"].([]any)[:1]
			})
		}
		if spec.list("rules")[0]["backendRefs"] == nil {
			out = append(out, redirectMutations()...)
		}
	}
	return out
}

// redirectMutations are of a way home.
func redirectMutations() (out []mutation) {
	add := func(name string, edit func(redirect map[string]any)) {
		out = append(out, mutation{name, func(d doc) doc {
			edit(d.list("spec", "rules")[0].list("filters")[0].at("requestRedirect").(map[string]any))
			return d
		}})
	}
	add("to another name", func(redirect map[string]any) { redirect["hostname"] = "elsewhere.example.com" })
	add("without the method", func(redirect map[string]any) { redirect["statusCode"] = float64(302) })
	add("in plain text", func(redirect map[string]any) { redirect["scheme"] = "http" })
	return append(out, mutation{"served here", func(d doc) doc {
		rule := d.list("spec", "rules")[0]
		delete(rule, "filters")
		rule["backendRefs"] = []any{map[string]any{"name": workload("gateway"), "port": float64(8700)}}
		return d
	}})
}
