// bun mesh/images/probe.ts URL: ends with 0 when the URL answers 2xx, else with 1. A container's
// health check, which has neither shell nor curl and runs every few seconds: it loads nothing but
// itself.

const timeoutMs = 3_000;

/**
 * True when the URL answers 2xx in time; what it says is printed for whoever inspects the
 * container.
 */
export async function probe(url: string, print: (text: string) => void): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
    print((await response.text()).slice(0, 1_000));
    return response.ok;
  } catch (error) {
    print(String(error));
    return false;
  }
}

if (import.meta.main) {
  const isHealthy = await probe(process.argv[2] ?? "", (text) => process.stdout.write(`${text}\n`));
  process.exit(isHealthy ? 0 : 1);
}
