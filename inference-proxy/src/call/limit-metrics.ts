import type { Counter, Gauge, Metrics } from "@warmpath/runtime";
import { createTenantLabels } from "./cost-accounts.ts";

/** What limits and prices count. */
export interface PaceMetrics {
  /** Cost by tenant; `tenantLabel` bounds the tenants that have a label of their own. */
  readonly tenantCost: Counter<"tenant">;
  readonly tenantLabel: (tenant: string) => string;
  /** Requests refused, by the kind and the scope of the limit: both come from configuration. */
  readonly refusals: Counter<"kind" | "scope">;
  readonly storeAway: Gauge;
}

/** Tenants with a label of their own: a metrics page stays readable, and scrapes cheap. */
const tenantLabelsMax = 200;

/** Defines them; part of the proxy's metrics. */
export function paceMetrics(metrics: Metrics): PaceMetrics {
  return {
    tenantLabel: createTenantLabels(tenantLabelsMax),
    tenantCost: metrics.counter({
      name: "warmpath_inference_proxy_tenant_cost_nanodollars_total",
      help: "Cost of accounted tokens by tenant, in 1e-9 US dollars; beyond 200 tenants the rest is `other`.",
      labels: ["tenant"],
    }),
    refusals: metrics.counter({
      name: "warmpath_inference_proxy_limit_refusals_total",
      help: "Requests refused by a limit, by what it counts and what it is bound to.",
      labels: ["kind", "scope"],
    }),
    storeAway: metrics.gauge({
      name: "warmpath_inference_proxy_limit_store_away",
      help: "1 while the store of shared limits does not answer.",
    }),
  };
}
