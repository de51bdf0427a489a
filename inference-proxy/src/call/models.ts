import { WarmpathError } from "@warmpath/runtime/base";
import type { Pool, Replica } from "../upstream/pool.ts";
import { isVacant, type ServedModel } from "../upstream/replica.ts";

/** A model as callers see it. */
export interface ListedModel extends ServedModel {
  readonly healthyReplicas: number;
}

/** Turns what callers ask for into a model that an upstream serves. */
export interface Models {
  /**
   * The model for a name, a tier, or nothing. A name nobody serves is returned as it is: placement
   * refuses it. Throws `rejected-no-model` for one that is too long to be remembered.
   */
  resolve(asked: string): string;
  list(): readonly ListedModel[];
  /** True for a LoRA adapter: its prompts are cached apart from the base model's. */
  isAdapter(model: string): boolean;
  /** The model for embeddings; undefined when no upstream has one. */
  embedding(): string | undefined;
}

/** Names under which embedding models are known. */
const embeddingName = /embed|\bbge\b|\be5\b|\bgte\b/i;

/**
 * Longest name that nobody serves: receipts, limits and the log remember what was asked for, and a
 * body has room for 16 MiB of it. Names of files have at most 255 characters.
 */
const unknownCharsMax = 256;

/** Tiers that agents may name without the operator having mapped them. */
const wellKnownTiers: ReadonlySet<string> = new Set(["small", "medium", "large"]);

/** Reads the pool at each call: models come and go with their upstreams. */
export function createModels(options: {
  readonly pool: Pool;
  readonly tiers: ReadonlyMap<string, string>;
  readonly defaultModel: string | undefined;
  readonly embeddingModel: string | undefined;
}): Models {
  const { pool, tiers } = options;
  const list = (): readonly ListedModel[] => listModels(pool);
  const defaultModel = () => options.defaultModel ?? list()[0]?.id ?? "";
  return {
    list,
    // Asked for each request: the first that lists the model speaks for all.
    isAdapter: (model) => {
      for (const { facts } of pool.replicas) {
        const listed = facts.models.find(({ id }) => id === model);
        if (listed !== undefined) {
          return listed.isAdapter === true;
        }
      }
      return false;
    },
    embedding: () =>
      options.embeddingModel ??
      list().find(({ id }) => embeddingName.test(id))?.id ??
      // A simulated replica embeds with whatever model it plays.
      pool.replicas.find(({ facts }) => facts.isSimulated)?.facts.models[0]?.id,
    resolve: (asked) => {
      const isServed = pool.endpoints.some(({ models }) => models.has(asked));
      if (asked !== "" && isServed) {
        return asked;
      }
      const mapped = tiers.get(asked);
      if (mapped !== undefined) {
        return mapped;
      }
      if (asked.length > unknownCharsMax) {
        throw new WarmpathError(
          "rejected-no-model",
          "The model does not exist: its name is too long.",
        );
      }
      return asked === "" || wellKnownTiers.has(asked) ? defaultModel() : asked;
    },
  };
}

/** The first model listed is the default: one that only pods had that are gone is nobody's. */
function occupiedFirst({ replicas }: Pool): readonly Replica[] {
  const vacant = replicas.filter(({ address }) => isVacant(address));
  return vacant.length === 0
    ? replicas
    : [...replicas.filter(({ address }) => !isVacant(address)), ...vacant];
}

function listModels(pool: Pool): readonly ListedModel[] {
  const models = new Map<string, ListedModel>();
  for (const { facts, address } of occupiedFirst(pool)) {
    for (const model of facts.models) {
      const known = models.get(model.id);
      // What a pod served that is gone says nothing more of what is there.
      if (known !== undefined && isVacant(address)) continue;
      models.set(model.id, {
        id: model.id,
        // The smallest, since a request may land on any of them.
        contextTokens: Math.min(known?.contextTokens ?? model.contextTokens, model.contextTokens),
        healthyReplicas: (known?.healthyReplicas ?? 0) + (facts.healthy ? 1 : 0),
      });
    }
  }
  return [...models.values()];
}

/** The models that configuration names: each of them is meant to be served. */
export function declaredModels(named: {
  readonly modelsWanted: readonly string[];
  readonly modelTiers: readonly string[];
  readonly defaultModel: string | undefined;
  readonly embeddingModel: string | undefined;
}): ReadonlySet<string> {
  const { modelsWanted, modelTiers, defaultModel, embeddingModel } = named;
  const all = [...modelsWanted, ...parseModelTiers(modelTiers).values()];
  return new Set([...all, defaultModel ?? [], embeddingModel ?? []].flat());
}

/** Reads `tier=model` entries, listing every one that is not of this form. */
export function parseModelTiers(entries: readonly string[]): ReadonlyMap<string, string> {
  const tiers = new Map<string, string>();
  const faults: string[] = [];
  for (const entry of entries) {
    const [tier = "", ...rest] = entry.split("=");
    const model = rest.join("=");
    if (tier === "" || model === "") {
      faults.push(`"${entry}" is not of the form tier=model`);
    }
    tiers.set(tier, model);
  }
  if (faults.length > 0) {
    throw new WarmpathError("rejected-config", `WARMPATH_MODEL_TIERS: ${faults.join("; ")}`);
  }
  return tiers;
}
