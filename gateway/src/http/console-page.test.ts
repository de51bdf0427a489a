import { describe, expect, test } from "bun:test";
import { createConsolePage } from "./console-page.ts";

const page = createConsolePage();

async function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
  const response = await page.respond(new Request(`http://localhost${path}`, { headers }));
  return response ?? new Response(null, { status: 404 });
}

describe("console page", () => {
  test("is one page, one script, one sheet, all of this origin", async () => {
    const html = await (await get("/")).text();
    const links = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link ?? "");
    expect(links.length).toBe(3);
    for (const link of links) {
      expect(link).toStartWith("/console/");
      expect((await get(link)).status).toBe(200);
    }
    expect(await (await get("/console/main.js")).text()).not.toMatch(/https?:\/\/(cdn|unpkg|esm)/);
  });

  test("admits nothing inline and nothing foreign", async () => {
    const policy = (await get("/")).headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain("unsafe");
    const html = await (await get("/")).text();
    expect(html).not.toMatch(/<script>|<style|style=|onclick/);
  });

  test("is small: under 120 kB on the wire", async () => {
    const script = new Uint8Array(await (await get("/console/main.js")).arrayBuffer());
    expect(Bun.gzipSync(script).byteLength).toBeLessThan(120_000);
  });

  test("answers 304 to a browser that has it, and nothing at other paths", async () => {
    const etag = (await get("/console/main.js")).headers.get("etag") ?? "";
    expect((await get("/console/main.js", { "if-none-match": etag })).status).toBe(304);
    expect((await get("/console/../main.ts")).status).toBe(404);
    expect((await get("/console/main.tsx")).status).toBe(404);
  });
});
