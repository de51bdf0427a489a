import type { Policy } from "../types.ts";
import { healthyAt, healthyCount } from "./shared/choose.ts";

/** Any healthy replica, each with the same chance. */
export const random: Policy = {
  name: "random",
  source: "the baseline of Mitzenmacher, The power of two choices (IEEE TPDS 12(10), 2001)",
  about: "A fair dice over healthy replicas; knows nothing.",
  start: ({ random: dice }) => ({
    place: (_request, replicas) =>
      healthyAt(replicas, Math.floor(dice.next() * healthyCount(replicas))),
  }),
};
