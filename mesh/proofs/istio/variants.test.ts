// Goal: the Go side is told of each variant what Helm and istiod would be.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  argsOf,
  meshConfigOf,
  settingOf,
  turnedRound,
  type Variant,
  variants,
} from "./variants.ts";

function variant(name: string): Variant {
  const found = variants.find((each) => each.name === name);
  if (found === undefined) {
    throw new Error(`no variant ${name}`);
  }
  return found;
}

test("a later value file is laid over the earlier, as Helm does it", () => {
  const hosts = (name: string) => settingOf(variant(name), {}).destinations.map(({ host }) => host);
  expect(hosts("second-cluster")).toContain("engines.east.example.com");
  // A list is replaced, a mapping is joined.
  expect(hosts("second-cluster")).not.toContain("engines.example.com");
  expect(hosts("second-cluster")).toContain("api.openai.com");
  expect(settingOf(variant("ambient"), {}).mode).toBe("ambient");
  expect(settingOf(variant("production"), {}).clusters).toBeNull();
});

test("the other cluster has the same keys with the names turned round", () => {
  const other = turnedRound(variant("second-cluster"));
  expect(other?.name).toBe("west");
  const text = argsOf(other ?? variant("production")).join(" ");
  expect(text).toContain('"name":"west","network":"network-west"');
  expect(text).toContain('"peers":[{"name":"east","network":"network-east"');
  expect(turnedRound(variant("production"))).toBeUndefined();
});

test("what istiod is given for two clusters bears the names of their value file", () => {
  const path = join(import.meta.dir, "../../istio/two-clusters.yaml");
  const { clusters } = settingOf(variant("second-cluster"), {});
  expect(Bun.YAML.parse(readFileSync(path, "utf8"))).toMatchObject({
    global: { multiCluster: { clusterName: clusters?.name }, network: clusters?.network },
  });
  expect(JSON.parse(meshConfigOf(variant("second-cluster")))).toMatchObject({
    trustDomain: "cluster.local",
    serviceSettings: [
      { settings: { clusterLocal: true } },
      {
        settings: { clusterLocal: false },
        hosts: clusters?.shared.map((name) => `warmpath-${name}.warmpath.svc.cluster.local`),
      },
    ],
  });
});
