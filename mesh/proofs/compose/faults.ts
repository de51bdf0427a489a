/** A fault that is planted in compose.yaml, and what the loader must say about it. */
export interface ComposeFault {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly refusal: RegExp;
}

/** One of each kind that a hand could make and only a loader sees. */
export const faults: readonly ComposeFault[] = [
  {
    name: "a misspelt key",
    from: "    healthcheck:\n",
    to: "    healthchek:\n",
    refusal: /healthchek/,
  },
  {
    name: "a network that is none",
    from: "networks: [mesh, data]",
    to: "networks: [mesh, dataa]",
    refusal: /undefined network dataa/,
  },
  {
    name: "a secret that is none",
    from: "secrets: [postgres-password]",
    to: "secrets: [postgres-pasword]",
    refusal: /undefined secret postgres-pasword/,
  },
  {
    name: "a volume that is none",
    from: '["postgres-data:/var/lib/postgresql/data"]',
    to: '["postgres-dta:/var/lib/postgresql/data"]',
    refusal: /undefined volume postgres-dta/,
  },
  {
    name: "a wait for a container that is none",
    from: "redis: { condition: service_healthy }",
    to: "rediss: { condition: service_healthy }",
    refusal: /undefined service "?rediss/,
  },
  {
    name: "a condition that is none",
    from: "redis: { condition: service_healthy }",
    to: "redis: { condition: service_health }",
    refusal: /must be one of.*service_healthy/,
  },
  {
    name: "a duration that is none",
    from: "stop_grace_period: 60s",
    to: "stop_grace_period: 60",
    refusal: /stop_grace_period/,
  },
];

/** A way to let a container do more, and what the level must say about it. */
export interface ComposeOpening {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly found: string;
}

/** What the loader has nothing against, and the level has. */
export const openings: readonly ComposeOpening[] = [
  {
    name: "capabilities kept",
    from: "cap_drop: [ALL]",
    to: "cap_drop: [NET_RAW]",
    found: "keeps capabilities",
  },
  {
    name: "a writable root",
    from: "read_only: true",
    to: "read_only: false",
    found: "has a writable root",
  },
  {
    name: "privileges to gain",
    from: '["no-new-privileges:true"]',
    to: '["no-new-privileges:false"]',
    found: "may gain privileges",
  },
  {
    name: "a port for everybody",
    from: "127.0.0.1:8700:8700",
    to: "8700:8700",
    found: "gateway is published beyond this host",
  },
  {
    name: "an image of any day",
    from: "redis:7.2.8-alpine",
    to: "redis:latest",
    found: "redis has no pinned image",
  },
  {
    name: "a check through a shell",
    from: '["CMD", "redis-cli", "-e", "ping"]',
    to: '["CMD-SHELL", "redis-cli -e ping"]',
    found: "redis is probed through a shell",
  },
];
