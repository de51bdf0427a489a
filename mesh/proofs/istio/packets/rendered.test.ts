// Goal: what a run cuts of the chart is its long route timeouts, and nothing else.

import { expect, test } from "bun:test";
import { withTimeoutsCut } from "./rendered.ts";

const head = { apiVersion: "networking.istio.io/v1", metadata: { name: "any" } };

test("long timeouts of both kinds of routes are cut, short ones and those of streams stay", () => {
  const http = ["660s", "5s", undefined].map((timeout) => ({ timeout, retries: { attempts: 2 } }));
  const rules = ["615s", "0s"].map((request) => ({ timeouts: { request } }));
  const cutHttp = ["15s", "5s", undefined].map((timeout) => ({
    timeout,
    retries: { attempts: 2 },
  }));
  const cutRules = ["15s", "0s"].map((request) => ({ timeouts: { request } }));
  expect(withTimeoutsCut({ ...head, kind: "VirtualService", spec: { http } }).spec).toEqual({
    http: cutHttp,
  });
  expect(withTimeoutsCut({ ...head, kind: "HTTPRoute", spec: { rules } }).spec).toEqual({
    rules: cutRules,
  });
});

test("other kinds are what they were", () => {
  const rule = { ...head, kind: "DestinationRule", spec: { timeout: "660s" } };
  expect(withTimeoutsCut(rule)).toBe(rule);
});
