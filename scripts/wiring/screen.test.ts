import { describe, expect, test } from "bun:test";
import { renderScreen, type ScreenFacts } from "./screen.ts";

const facts: ScreenFacts = {
  host: "127.0.0.1",
  port: 8700,
  devKey: `wp_${"k".repeat(43)}`,
  isKeyGiven: false,
  dataDir: ".warmpath",
  simulatedReplicas: 3,
  upstreams: [],
  agents: ["assistant", "clerk", "researcher", "supervisor"],
  embedded: ["PostgreSQL (PGlite)", "hot store", "queue and bus"],
  readyInMs: 1234,
};

describe("the screen", () => {
  test("fits 80 columns and 24 lines, but for the link", () => {
    const lines = renderScreen(facts).trimEnd().split("\n");
    expect(lines.length).toBeLessThanOrEqual(24);
    const wide = lines.filter((line) => line.length > 80);
    expect(wide).toEqual(lines.filter((line) => line.includes("#key=")));
  });

  test("prints a command that finds a system that was moved", () => {
    const screen = renderScreen({ ...facts, port: 9700, dataDir: "/tmp/a b" });
    expect(screen).toContain("npx warmpath chat assistant --port 9700 --data-dir '/tmp/a b'\n");
    const withKey = renderScreen({ ...facts, devKey: "sesame", isKeyGiven: true });
    expect(withKey).toContain("WARMPATH_DEV_KEY=sesame npx warmpath chat assistant\n");
  });

  test("prints lines to paste whatever the key holds", () => {
    const screen = renderScreen({ ...facts, devKey: "o'ne&two", isKeyGiven: true });
    expect(screen).toContain("/#key=o'ne%26two\n");
    expect(screen).toContain(`-H 'Authorization: Bearer o'\\''ne&two' \\\n`);
  });

  test("prints an address that can be called when every address is listened on", () => {
    expect(renderScreen({ ...facts, host: "0.0.0.0" })).not.toContain("0.0.0.0");
  });
});
