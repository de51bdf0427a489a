import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type KnowledgeService,
  ListSourcesResponseSchema,
  PutSourceResponseSchema,
  SearchResponseSchema,
} from "@warmpath/proto/state";
import { type Principal, principalOf, systemTenant } from "@warmpath/runtime";
import { WarmpathError } from "@warmpath/runtime/base";
import { listSources } from "../knowledge/list-sources.ts";
import { putSource } from "../knowledge/put-source.ts";
import { searchPassages } from "../knowledge/search.ts";
import type { ServiceDeps } from "./service-deps.ts";

const matchesDefault = 5;

/**
 * Passages of this tenant are everybody's. No principal can name it: "-" is not legal in a tenant.
 */
const sharedTenant = "-shared";

/** `state.v1.KnowledgeService`. */
export function createKnowledgeService(deps: ServiceDeps): ServiceImpl<typeof KnowledgeService> {
  return {
    async putSource({ source, passages, shared }, context) {
      await putSource(deps.store, writtenTenant(principalOf(context), shared), source, passages);
      return create(PutSourceResponseSchema, { passages: passages.length });
    },
    async listSources({ shared, after }, context) {
      const tenant = writtenTenant(principalOf(context), shared);
      const sources = await listSources(deps.store, tenant, after);
      return create(ListSourcesResponseSchema, { sources });
    },
    async search({ query, embedding, embeddingModel, limit }, context) {
      const matches = await searchPassages(deps.store, {
        tenants: [principalOf(context).tenant, sharedTenant],
        query,
        embedding,
        model: embeddingModel,
        limit: limit === 0 ? matchesDefault : limit,
      });
      return create(SearchResponseSchema, { matches });
    },
  };
}

/** The tenant whose sources a caller may change. */
function writtenTenant({ tenant, keyId }: Principal, shared: boolean): string {
  if (shared && (tenant !== systemTenant || keyId !== "")) {
    throw new WarmpathError(
      "rejected-permission",
      "only a service acting for itself shares passages with all tenants",
    );
  }
  return shared ? sharedTenant : tenant;
}
