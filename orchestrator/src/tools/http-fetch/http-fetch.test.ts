import { afterAll, describe, expect, test } from "bun:test";
import { refusalOfAddress } from "./address.ts";
import { createAllowList } from "./allow-list.ts";
import { FetchRefused, fetchPage } from "./fetch-page.ts";
import { createHttpFetch } from "./http-fetch.ts";

const served: string[] = [];
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request) {
    const { pathname } = new URL(request.url);
    served.push(pathname);
    const redirects: Record<string, string> = {
      "/to-private": "http://169.254.169.254/latest/meta-data/",
      "/to-localhost": "http://localhost:1/",
      "/to-file": "file:///etc/passwd",
      "/to-rebound": "http://rebound.test/secret",
      "/round": "/round",
      "/relative": "/text",
    };
    const location = redirects[pathname];
    if (location) return new Response(null, { status: 302, headers: { location } });
    if (pathname === "/image") {
      return new Response("x", { headers: { "content-type": "image/png" } });
    }
    if (pathname === "/large") return new Response("é".repeat(200_000));
    return new Response("plain \u0000 text");
  },
});
afterAll(() => server.stop(true));

const limits = { bodyBytesMax: 1_001, redirectsMax: 3 };
const origin = `http://public.test:${server.port}`;

/**
 * Lets the transport reach the test's own server, which lives at 127.0.0.1; everything else is
 * judged for real.
 */
const ownServerIsPublic = (address: string) =>
  address === "127.0.0.1" ? undefined : refusalOfAddress(address);

function fetchFrom(url: string, addresses: Record<string, readonly string[]> = {}) {
  return fetchPage(url, {
    allowList: createAllowList(["public.test", "*.test", "localhost", "169.254.169.254"]),
    limits,
    resolve: async (host) => addresses[host] ?? ["127.0.0.1"],
    refusalOfAddress: ownServerIsPublic,
    signal: AbortSignal.timeout(5_000),
  });
}

describe("refusalOfAddress()", () => {
  test.each([
    "127.0.0.1",
    "127.255.0.3",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:a9fe:a9fe",
    "::7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "4000::1",
    "not-an-address",
  ])("refuses %s", (address) => {
    const unwraps = address === "::ffff:8.8.8.8";
    if (unwraps) expect(refusalOfAddress(address)).toBeUndefined();
    else expect(refusalOfAddress(address)).toBeString();
  });

  test.each(["8.8.8.8", "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])(
    "lets %s pass",
    (address) => expect(refusalOfAddress(address)).toBeUndefined(),
  );
});

describe("fetchPage()", () => {
  test("reads text, follows a relative redirect, and keeps a NUL character", async () => {
    const page = await fetchFrom(`${origin}/relative`);
    expect(page).toMatchObject({ status: 200, body: "plain \u0000 text", isCut: false });
    expect(page.url).toEndWith("/text");
  });

  test("cuts a large body at the limit and says so", async () => {
    const page = await fetchFrom(`${origin}/large`);
    expect(page.isCut).toBeTrue();
    expect(page.body.isWellFormed()).toBeTrue();
    expect(page.body.length).toBeLessThanOrEqual(501);
  });

  test.each([
    ["/to-private", "linkLocal"],
    ["/to-file", "Only http"],
    ["/round", "redirects more than"],
    ["/image", "image/png"],
  ])("refuses %s", async (path, part) => {
    await expect(fetchFrom(origin + path)).rejects.toThrow(part);
  });

  test("judges the target of a redirect by its addresses, all of them", async () => {
    const addresses = { "rebound.test": ["93.184.216.34", "10.0.0.7"] };
    await expect(fetchFrom(`${origin}/to-rebound`, addresses)).rejects.toThrow("private");
  });

  test("resolves once and connects to the judged address, so a name that changes its answer gains nothing", async () => {
    // First answer: the server of this test. Any later one: an address where nothing is. A second
    // look-up would fail.
    let lookups = 0;
    const page = await fetchPage(`${origin}/text`, {
      allowList: createAllowList(["public.test"]),
      limits,
      resolve: async () => (lookups++ === 0 ? ["127.0.0.1"] : ["169.254.169.254"]),
      refusalOfAddress: ownServerIsPublic,
      signal: AbortSignal.timeout(5_000),
    });
    expect(page.status).toBe(200);
    expect(lookups).toBe(1);
  });

  test.each([
    "http://elsewhere.example/",
    "http://public.test.example/",
    "http://user:secret@public.test/",
    "ftp://public.test/",
    "nonsense",
  ])("refuses %s before any connection", async (url) => {
    const before = served.length;
    await expect(fetchFrom(url)).rejects.toBeInstanceOf(FetchRefused);
    expect(served.length).toBe(before);
  });

  test.each([
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://[::1]/",
    "http://127.1/",
  ])("sees through the spelling of %s", async (url) => {
    const attempt = fetchPage(url, {
      allowList: createAllowList(["127.0.0.1", "[::1]"]),
      limits,
      resolve: async () => ["8.8.8.8"],
      signal: AbortSignal.timeout(5_000),
    });
    await expect(attempt).rejects.toThrow("loopback");
  });
});

test("http_fetch refuses with a helpful text while no host is allowed", async () => {
  const tool = createHttpFetch({ allowedHosts: [], limits });
  const result = await tool.call({
    argumentsJson: '{"url":"http://example.com"}',
    idempotencyKey: "k",
    principal: { tenant: "t", user: "u", keyId: "", agentChain: [] },
    taskId: "task",
    timeoutMs: 1_000,
    signal: AbortSignal.timeout(1_000),
  });
  expect(result.outcome).toBe("failed");
  expect(result.content).toContain("allows no hosts");
});
