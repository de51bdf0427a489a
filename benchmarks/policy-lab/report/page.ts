import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { LabResult, Regime } from "../result.ts";
import { policyName } from "./data-table.ts";
import { html, Markup } from "./html.ts";
import { type Panel, type PanelSet, panelsOf, panelTitle } from "./panels.ts";
import type { PolicyStyle } from "./policy-style.ts";
import { ablationSection } from "./sections/ablation.ts";
import { cacheSection } from "./sections/cache.ts";
import { definitionSection } from "./sections/definitions.ts";
import { distributionSection } from "./sections/distributions.ts";
import { failureSection } from "./sections/failures.ts";
import { fairnessSection } from "./sections/fairness.ts";
import { findingsSection } from "./sections/findings.ts";
import { headerSection } from "./sections/header.ts";
import { loadSection } from "./sections/load.ts";
import { sloSection } from "./sections/slo.ts";
import { scalingSection, scenarioSection } from "./sections/sweeps.ts";
import { timelineSection } from "./sections/timeline.ts";
import { markerSymbols } from "./svg/markers.ts";

const regimes: readonly { readonly name: Regime; readonly title: string; readonly lead: string }[] =
  [
    {
      name: "saturation",
      title: "At saturation",
      lead: "A fixed number of sessions is always under way: as soon as one ends the next begins. What counts is how many jobs and turns the fleet finishes; waiting shows as fewer of them.",
    },
    {
      name: "open",
      title: "Open load",
      lead: "Sessions arrive at a fixed rate whatever the fleet does. What counts is how long turns and jobs take, and at which load they stop meeting their SLOs.",
    },
  ];

/** The whole report as one HTML document that needs nothing from elsewhere. */
export function reportPage(run: LabResult): string {
  const panels = panelsOf(run);
  const sections = regimes.map(({ name, title, lead }) => {
    const its = panels.main.filter(({ regime }) => regime === name);
    if (its.length === 0) return undefined;
    return html`<section class="regime" id="${name}" aria-labelledby="${name}-h"><h2 id="${name}-h">${title}</h2><p>${lead}</p>${its.map(panelSection)}</section>`;
  });
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${run.title}</title><style>${new Markup(styleSheet(panels.styles))}</style></head>
<body><a class="skip" href="#findings">Skip to the findings</a>${markerSymbols()}
<header class="top"><h1>${run.title}</h1>
<p class="lead">Placement policies for LLM replicas, compared on a simulated fleet in virtual time.</p></header>
${contents(panels)}
<main>${findingsSection(panels.main)}
${headerSection(run)}
${filter(panels.styles)}
${sections}
${scalingSection(panels.main)}
${scenarioSection(panels.main, panels.varied)}
${definitionSection(panels.styles)}
<footer>All figures are in the JSON file beside this page. Made by <code>${run.command}</code>.</footer></main></body></html>
`;
  return page.text;
}

function panelSection(panel: Panel): Markup {
  return html`<div class="panel" id="${panel.id}"><h3>${panelTitle(panel)}</h3>
${sloSection(panel)}
${loadSection(panel)}
${distributionSection(panel)}
${cacheSection(panel)}
${timelineSection(panel)}
${fairnessSection(panel)}
${failureSection(panel)}
${ablationSection(panel)}</div>`;
}

function contents({ main, varied }: PanelSet): Markup {
  const links = regimes.flatMap(({ name, title }) =>
    main
      .filter(({ regime }) => regime === name)
      .map((panel) => html`<a href="#${panel.id}">${title}: ${panelTitle(panel)}</a>`),
  );
  const scenarios = varied.length > 0 ? html`<a href="#scenarios">Scenarios</a>` : undefined;
  return html`<nav class="toc" aria-label="Contents"><div><a href="#findings">In short</a><a href="#run">The run</a>${links}${scenarios}<a href="#terms">Policies and terms</a></div></nav>`;
}

/** Check boxes that hide policies everywhere; plain CSS, so the page runs no script. */
function filter(styles: readonly PolicyStyle[]): Markup {
  const boxes = styles.map(
    (style) =>
      html`<label><input type="checkbox" checked id="show-${style.key}">${policyName(style)}</label>`,
  );
  return html`<fieldset class="filter"><legend>Policies shown in all charts and tables</legend>${boxes}</fieldset>`;
}

function styleSheet(styles: readonly PolicyStyle[]): string {
  const base = ["page.css", "charts.css", "media.css"]
    .map((name) => readFileSync(join(import.meta.dir, name), "utf8"))
    .join("\n");
  const rules = styles.map(
    ({ key, colours: [light, dark] }) =>
      `.${key}{--c:light-dark(${light},${dark})}` +
      `body:has(#show-${key}:not(:checked)) main :is(g,path,circle,tr,details).${key}{display:none}`,
  );
  return `${base}\n${rules.join("\n")}`;
}
