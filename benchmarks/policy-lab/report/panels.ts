import { type LabRow, rowsOf } from "../aggregate.ts";
import type { LabResult, Regime } from "../result.ts";
import { type PolicyStyle, stylesOf } from "./policy-style.ts";

/** All policies over all demands of one workload on one fleet in one regime: what is comparable. */
export interface Panel {
  /** Unique in the page; safe as an element's id. */
  readonly id: string;
  readonly regime: Regime;
  readonly workload: string;
  readonly replicas: number;
  readonly scenario: string;
  /** Ascending. */
  readonly demands: readonly number[];
  /** The demand that tables and distributions show first: the one nearest to the capacity. */
  readonly focus: number;
  /** Those that were run, bounds last. */
  readonly styles: readonly PolicyStyle[];
  readonly rows: readonly LabRow[];
}

/** A run in the order in which the report tells it. */
export interface PanelSet {
  readonly styles: readonly PolicyStyle[];
  /** Of the scenario that everything else is compared with. */
  readonly main: readonly Panel[];
  /** Of other scenarios. */
  readonly varied: readonly Panel[];
}

export function panelsOf(run: LabResult): PanelSet {
  const rows = rowsOf(run.cells);
  const names = [...new Set([...run.policies.map(({ name }) => name), ...namesOf(rows)])];
  const styles = stylesOf(
    names.filter((name) => rows.some(({ spec }) => spec.policy === name)),
    run.policies,
  );
  const groups = Map.groupBy(rows, ({ spec }) =>
    JSON.stringify([spec.regime, spec.workload, spec.replicas, spec.scenario.name]),
  );
  const panels = [...groups.values()].map((group, index) => panelOf(group, styles, index));
  const scenarios = new Set(panels.map(({ scenario }) => scenario));
  const baseline = scenarios.has("baseline") ? "baseline" : [...scenarios][0];
  return {
    styles,
    main: panels.filter(({ scenario }) => scenario === baseline).toSorted(byFleet),
    varied: panels.filter(({ scenario }) => scenario !== baseline).toSorted(byFleet),
  };
}

/** The row of one policy at one demand. */
export function rowAt(panel: Panel, style: PolicyStyle, demand: number): LabRow | undefined {
  return panel.rows.find(({ spec }) => spec.policy === style.name && spec.demand === demand);
}

/** A title such as "8 replicas · agent-lite". */
export function panelTitle({ replicas, workload }: Panel): string {
  return `${replicas} ${replicas === 1 ? "replica" : "replicas"} · ${workload}`;
}

function namesOf(rows: readonly LabRow[]): readonly string[] {
  return rows.map(({ spec }) => spec.policy);
}

function panelOf(rows: readonly LabRow[], styles: readonly PolicyStyle[], index: number): Panel {
  const { regime, workload, replicas, scenario } = rows[0]!.spec;
  const demands = [...new Set(rows.map(({ spec }) => spec.demand))].toSorted(
    (one, other) => one - other,
  );
  return {
    id: `panel-${index}`,
    regime,
    workload,
    replicas,
    scenario: scenario.name,
    demands,
    focus: demands.toSorted((one, other) => Math.abs(one - 1) - Math.abs(other - 1))[0] ?? 1,
    styles: styles.filter(({ name }) => rows.some(({ spec }) => spec.policy === name)),
    rows,
  };
}

function byFleet(one: Panel, other: Panel): number {
  return (
    one.workload.localeCompare(other.workload) ||
    one.replicas - other.replicas ||
    one.scenario.localeCompare(other.scenario)
  );
}
