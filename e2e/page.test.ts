import { expect, test } from "bun:test";
import { existsSync, mkdirSync } from "node:fs";
import { chromium } from "playwright-core";
import { showcaseText } from "./clients.ts";
import { sharedSystem } from "./shared-system.ts";

const executablePath = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
].find(existsSync);
const screenshotDir = process.env["E2E_SCREENSHOT_DIR"];

/** Wide as a laptop, narrow as a phone. */
const viewports = { wide: { width: 1280, height: 800 }, narrow: { width: 390, height: 844 } };

if (executablePath === undefined) {
  console.warn(
    "skipped: the page in a browser: no Chromium here; install Debian's package chromium",
  );
}

for (const [name, viewport] of Object.entries(viewports)) {
  test.skipIf(executablePath === undefined)(
    `the page runs a task with tool calls and shows what served it, ${name}`,
    async () => {
      const system = await sharedSystem();
      const browser = await chromium.launch({
        executablePath: executablePath ?? "",
        args: [
          "--no-sandbox",
          "--disable-gpu",
          "--disable-quic",
          "--no-first-run",
          "--disable-background-networking",
          "--disable-component-update",
          "--disable-sync",
        ],
      });
      try {
        const page = await browser.newPage({ viewport });
        const faults: string[] = [];
        page.on("pageerror", (error) => faults.push(error.message));
        await page.goto(`${system.gatewayUrl}/#key=${system.key}`);
        await page.getByTestId("message").fill(showcaseText);
        await page.getByTestId("send").click();
        await page
          .getByTestId("task-state")
          .filter({ hasText: /completed/i })
          .waitFor({ timeout: 30_000 });
        const text = await page.locator("main").innerText();
        expect(text).toContain("8369910");
        expect(text).toContain("calculator");
        expect(text).toContain("knowledge_search");
        expect(text.toLowerCase()).toContain("simulated");
        expect(page.url()).not.toContain(system.key);
        // Nothing may be wider than the screen.
        const overflow = await page.evaluate(
          () => document.documentElement.scrollWidth - window.innerWidth,
        );
        expect(overflow).toBeLessThanOrEqual(0);
        expect(faults).toEqual([]);
        if (screenshotDir !== undefined) {
          mkdirSync(screenshotDir, { recursive: true });
          await page.screenshot({ path: `${screenshotDir}/page-${name}.png` });
        }
      } finally {
        await browser.close();
      }
    },
    60_000,
  );
}
