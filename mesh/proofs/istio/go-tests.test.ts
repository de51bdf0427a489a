import { expect, test } from "bun:test";
import { readGoOutput, testsAbsent } from "./go-tests.ts";

const output = `=== RUN   TestSimulation
=== RUN   TestSimulation/routes
    simulation_test.go:38: state: timeout 0s, the matrix says 15s
    simulation_test.go:40: 148 looked at
=== RUN   TestSimulation/ways_out
--- FAIL: TestSimulation (0.88s)
    --- FAIL: TestSimulation/routes (0.01s)
    --- PASS: TestSimulation/ways_out (0.02s)
=== RUN   TestEnvoyAccepts
    envoy_test.go:27: not run: ENVOY names no binary
--- SKIP: TestEnvoyAccepts (0.00s)
=== RUN   TestAnalyzers
--- PASS: TestAnalyzers (0.30s)
FAIL
`;

test("tests with none below them are counted, and failures say what they said", () => {
  expect(readGoOutput(output)).toEqual({
    passed: 2,
    failures: [
      "TestSimulation/routes: state: timeout 0s, the matrix says 15s; 148 looked at",
      "TestEnvoyAccepts: not run: ENVOY names no binary",
    ],
  });
});

test("what has no test in it passed nothing", () => {
  expect(readGoOutput("panic: out of memory\n")).toEqual({ passed: 0, failures: [] });
});

test("a test that is asked for by a name that is none is told", () => {
  const asked = ["TestSimulation", "TestMutations", "TestEnvoyAccepts"];
  expect(testsAbsent(output, asked)).toEqual(["TestMutations"]);
});
