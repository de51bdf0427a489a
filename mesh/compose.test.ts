// Goal: the Compose file runs the services of the table, each as locked down as a container can be.

import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serviceNames } from "../scripts/wiring/ports.ts";
import { makeSecrets } from "./compose/make-secrets.ts";
import { readMatrix, readServiceTable, variablesOf } from "./service-table.ts";

interface Container {
  readonly image: string;
  readonly profiles?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly build?: { readonly target?: string };
  readonly command?: readonly string[] | string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly secrets?: readonly string[];
  readonly networks: readonly string[];
  readonly ports?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly volumes?: readonly string[];
  readonly stop_grace_period?: string;
  readonly mem_limit?: string;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
}

interface ComposeFile {
  readonly services: Readonly<Record<string, Container>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>;
  readonly volumes: Readonly<Record<string, object>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

const text = readFileSync(join(import.meta.dir, "compose/compose.yaml"), "utf8");
// The file is ours, and these tests are what checks its shape.
const compose = Bun.YAML.parse(text) as ComposeFile;
const rows = readServiceTable();
const containers = Object.entries(compose.services);

/** Pages of the profile observability. */
const pages: Readonly<Record<string, number>> = { prometheus: 9090, grafana: 3000 };

/** Their images hold nothing but shell tools to ask with; Prometheus watches them instead. */
const unprobed = ["grafana"];

function secondsOf(duration: string | undefined): number {
  return Number(/^(\d+)s$/.exec(duration ?? "")?.[1]);
}

test("each service of the table is there, with its arguments, variables and probe", () => {
  for (const row of rows) {
    const container = compose.services[row.name];
    expect(container?.command).toEqual(row.args);
    const given = Object.keys(container?.environment ?? {}).map((name) =>
      name.replace(/_FILE$/, ""),
    );
    const listed = [...variablesOf(row), ...(row.optional ?? [])];
    expect(listed.filter((name) => !given.includes(name))).toEqual([]);
    const probe = ["CMD", "bun", "mesh/images/probe.js", `http://127.0.0.1:${row.http}/ready`];
    expect(container?.healthcheck?.test).toEqual(probe);
  }
});

test("a service is given no store, secret or address that the table does not list", () => {
  const everywhere = ["WARMPATH_LOG_LEVEL", "WARMPATH_DRAIN_MS", "WARMPATH_OTLP_URL"];
  for (const row of rows) {
    const given = Object.keys(compose.services[row.name]?.environment ?? {}).map((name) =>
      name.replace(/_FILE$/, ""),
    );
    const listed = [...variablesOf(row), ...(row.optional ?? []), ...everywhere];
    expect(given.filter((name) => !listed.includes(name))).toEqual([]);
    // Of the stores only PostgreSQL has a password here.
    const wanted = [
      ...Object.keys(row.secrets),
      ...(row.keys ?? []),
      ...("postgres" in row.stores ? ["postgres-url"] : []),
    ];
    expect([...(compose.services[row.name]?.secrets ?? [])].sort()).toEqual(wanted.sort());
  }
});

test("each variable of a secret names the file that the table has for it", () => {
  for (const row of rows) {
    const files = [...Object.entries(row.secrets), ["postgres-url", row.stores["postgres"]]];
    const wanted = files.flatMap(([file, variable]) =>
      variable === undefined ? [] : [[`${variable}_FILE`, `/run/secrets/${file}`]],
    );
    const given = Object.entries(compose.services[row.name]?.environment ?? {}).filter(([name]) =>
      name.endsWith("_FILE"),
    );
    expect([row.name, Object.fromEntries(given)]).toEqual([row.name, Object.fromEntries(wanted)]);
  }
  // A key that is here is a key that somebody may name: each has its own file of its own name.
  for (const [name, { file }] of Object.entries(compose.secrets)) {
    expect([name, file]).toEqual([name, `./secrets/${name}`]);
  }
});

test("addresses between services carry the ports of the table", () => {
  for (const row of rows) {
    for (const [callee, variable] of Object.entries(row.calls)) {
      const grpc = rows.find(({ name }) => name === callee)?.grpc;
      const address = compose.services[row.name]?.environment?.[variable];
      expect(address).toBe(`http://${callee}:${grpc}`);
    }
  }
});

test("stores, engines and the collector are on the ports of the matrix", () => {
  const { outside } = readMatrix();
  const open = (name: string) => Object.values(outside[name]?.ports ?? {});
  for (const row of rows) {
    for (const [store, variable] of Object.entries(row.stores)) {
      const address = compose.services[row.name]?.environment?.[variable];
      const file = compose.services[row.name]?.environment?.[`${variable}_FILE`];
      const port = /:(\d+)$/.exec(address ?? "")?.[1];
      // PostgreSQL's address has a password in it: make-secrets writes it, and its test reads it.
      expect(open(store)).toContain(port === undefined && file ? 5432 : Number(port));
    }
  }
  const given = compose.services["vllm"]?.command ?? [];
  const engine = Array.isArray(given) ? given.join(" ") : given;
  expect(open("engines").filter((port) => !engine.includes(String(port)))).toEqual([]);
  expect(open("otlp").filter((port) => !tempoConfig().includes(`0.0.0.0:${port}`))).toEqual([]);
});

test("only public services and the profiles' pages publish ports, and only on the host's loopback", () => {
  for (const [name, { ports = [] }] of containers) {
    const row = rows.find((each) => each.name === name);
    const page = pages[name];
    const open = row?.public ? [row.http, row.grpc] : page === undefined ? [] : [page];
    expect([...ports]).toEqual(open.map((port) => `127.0.0.1:${port}:${port}`));
  }
});

test("every container drops all capabilities, gains none, and writes only where it is told", () => {
  for (const [name, container] of containers) {
    expect([name, container.read_only]).toEqual([name, true]);
    expect([name, container.cap_drop]).toEqual([name, ["ALL"]]);
    expect([name, container.security_opt]).toEqual([name, ["no-new-privileges:true"]]);
    expect(container.tmpfs ?? container.volumes).toBeDefined();
  }
});

test("health checks call one program of the image itself, never a shell or its tools", () => {
  const shellTools = ["sh", "bash", "wget", "curl", "nc", "busybox", "true"];
  for (const [name, { healthcheck }] of containers) {
    if (unprobed.includes(name)) {
      expect([name, healthcheck]).toEqual([name, undefined]);
      continue;
    }
    const [form, program = ""] = healthcheck?.test ?? [];
    expect([name, form]).toEqual([name, "CMD"]);
    expect([name, shellTools.includes(program)]).toEqual([name, false]);
  }
  const watched = targets("observability");
  expect(unprobed.filter((name) => !watched.some((each) => each.startsWith(name)))).toEqual([]);
  // `tempo -health` asks the port that is Tempo's default, whatever its configuration says.
  expect(watched).toContain("tempo:3200");
  expect(tempoConfig()).toContain("http_listen_port: 3200");
});

test("a container of ours is killed only after its drain is over", () => {
  const drainMs = Number(/WARMPATH_DRAIN_MS:-(\d+)/.exec(text)?.[1]);
  for (const row of rows) {
    const grace = secondsOf(compose.services[row.name]?.stop_grace_period);
    expect(grace).toBeGreaterThanOrEqual(drainMs / 1000 + 15);
  }
});

test("a service may take the memory that the chart gives it", () => {
  const { services } = Bun.YAML.parse(readChart("values.yaml")) as {
    services: Record<string, { resources: { limits: { memory: string } } }>;
  };
  for (const { name } of rows) {
    const chart = services[name]?.resources.limits.memory.replace("i", "").toLowerCase();
    expect([name, compose.services[name]?.mem_limit]).toEqual([name, chart]);
  }
});

test("images are pinned, and none is the latest", () => {
  for (const [, { image }] of containers) {
    expect(image).toMatch(/^[a-z/-]+:v?(\d+\.\d+\.\d+|\$\{WARMPATH_VERSION:-\d+\.\d+\.\d+\})/);
  }
});

test("a container waits for the health of what it stands on", () => {
  for (const row of rows) {
    const needed = Object.keys(row.calls).concat(Object.keys(row.stores));
    const waits = compose.services[row.name]?.depends_on ?? {};
    for (const name of needed) {
      expect([name, waits[name]?.condition]).toEqual([name, "service_healthy"]);
    }
    // The order in which the proof of the images starts them.
    const startOrder: readonly string[] = serviceNames;
    const earlier = startOrder.slice(0, startOrder.indexOf(row.name));
    const awaited = Object.keys(waits).filter((name) => rows.some((each) => each.name === name));
    expect(awaited.filter((name) => !earlier.includes(name))).toEqual([]);
  }
});

test("the stores are out of reach from outside, and the record is on a named volume", () => {
  for (const name of ["postgres", "redis", "nats"]) {
    for (const network of compose.services[name]?.networks ?? []) {
      expect(compose.networks[network]?.internal).toBe(true);
    }
  }
  expect(compose.services["postgres"]?.volumes?.[0]).toStartWith("postgres-data:");
  expect(Object.keys(compose.volumes)).toContain("postgres-data");
});

test("what is optional stands behind a profile, and nothing else does", () => {
  const optional = Object.fromEntries(
    containers.flatMap(([name, { profiles }]) =>
      profiles === undefined ? [] : [[name, profiles]],
    ),
  );
  expect(optional).toEqual({
    replica: ["simulated"],
    vllm: ["gpu"],
    prometheus: ["observability"],
    grafana: ["observability"],
    tempo: ["observability"],
  });
});

test("vLLM is the chart's: its image, its port, and no flag that the chart does not give", () => {
  const { vllm } = Bun.YAML.parse(readChart("values.yaml")) as {
    vllm: { image: { repository: string; tag: string }; port: number };
  };
  const container = compose.services["vllm"];
  expect(container?.image).toBe(`${vllm.image.repository}:${vllm.image.tag}`);
  const given = container?.command;
  const flags = Array.isArray(given) ? given.flatMap((each) => /^--[\w-]+/.exec(each) ?? []) : [];
  const charts = readChart("templates/vllm/_helpers.tpl");
  expect(flags.length).toBeGreaterThan(10);
  expect(flags.filter((flag) => !charts.includes(`- ${flag}`))).toEqual([]);
  expect(given).toContain(`--port=${vllm.port}`);
  expect(targets("engines")).toContain(`vllm:${vllm.port}`);
});

test("Prometheus asks every service of the matrix, and applies the chart's rules", () => {
  expect(targets("warmpath").sort()).toEqual(
    rows.map(({ name, http }) => `${name}:${http}`).sort(),
  );
  const mounts = compose.services["prometheus"]?.volumes ?? [];
  expect(mounts).toContain("../chart/files/rules:/etc/prometheus/rules:ro");
});

test("make-secrets writes every secret of the file once, and keeps it", () => {
  const folder = join(mkdtempSync(join(tmpdir(), "warmpath-secrets-")), "secrets");
  try {
    const names = Object.keys(compose.secrets).sort();
    expect([...makeSecrets(folder)].sort()).toEqual(names);
    const before = readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"));
    expect(makeSecrets(folder)).toEqual([]);
    const after = readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"));
    expect(after).toEqual(before);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const name of names) {
      // A container's user reads all of them; those that are left to fill can be written into.
      const { mode, size } = statSync(join(folder, name));
      expect([name, mode & 0o777]).toEqual([name, size === 0 ? 0o644 : 0o444]);
    }
    // The form that state asks of a key.
    expect(readFileSync(join(folder, "dev-key"), "utf8")).toMatch(/^wp_[\w-]{43}$/);
    const password = readFileSync(join(folder, "postgres-password"), "utf8");
    expect(readFileSync(join(folder, "postgres-url"), "utf8")).toContain(`:${password}@postgres:`);
  } finally {
    rmSync(join(folder, ".."), { recursive: true });
  }
});

/** What Prometheus asks under a job. */
function targets(job: string): string[] {
  const file = join(import.meta.dir, "compose/observability/prometheus.yaml");
  // The file is ours.
  const { scrape_configs } = Bun.YAML.parse(readFileSync(file, "utf8")) as {
    scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[];
  };
  const found = scrape_configs.find(({ job_name }) => job_name === job);
  return found?.static_configs.flatMap((each) => each.targets) ?? [];
}

function tempoConfig(): string {
  return readFileSync(join(import.meta.dir, "compose/observability/tempo.yaml"), "utf8");
}

function readChart(file: string): string {
  return readFileSync(join(import.meta.dir, "chart", file), "utf8");
}

test("the example environment sets exactly the variables that the file reads", () => {
  const example = readFileSync(join(import.meta.dir, "compose/.env.example"), "utf8");
  const offered = example.split("\n").flatMap((line) => /^(\w+)=/.exec(line)?.[1] ?? []);
  const read = [...text.matchAll(/\$\{(\w+):?-/g)].flatMap(([, name]) => name ?? []);
  expect([...new Set(offered)].sort()).toEqual([...new Set(read)].sort());
});
