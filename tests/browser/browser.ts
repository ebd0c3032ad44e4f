/** Debian's Chromium, driven by Playwright. */
import axe from "axe-core/axe.min.js" with { type: "text" };
import assert from "node:assert/strict";
import { join } from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

const PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** null where there is no browser. */
export function findBrowser(): string | null {
  return PATHS.find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  }) ?? null;
}

/** Nothing here depends on time: long enough for a machine with a lot else to do. */
const TIMEOUT_MS = 240_000;

/** Where screenshots are kept, for people to look at. */
const SCREENSHOTS = join(import.meta.dirname!, "../../runs/browser");

export async function openBrowser(executablePath: string) {
  await Deno.mkdir(SCREENSHOTS, { recursive: true });
  // Containers seldom have the kernel's namespaces; the only page it opens is ours.
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  return {
    open: (options: BrowserContextOptions = {}) => openPage(browser, options),
    [Symbol.asyncDispose]: () => browser.close(),
  };
}

/** A page in a profile of its own. Closing it fails where its script did. */
async function openPage(browser: Browser, options: BrowserContextOptions) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  const failures: string[] = [];
  page.on("pageerror", (error) => failures.push(`${error.stack}`));
  page.on("console", (message) => {
    if (/Content Security Policy/.test(message.text())) failures.push(message.text());
  });
  return {
    page,
    /** Keeps pictures of the view, light and dark, and finds nothing in it that keeps people out. */
    async look(name: string) {
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        await page.locator(`[data-theme="${colorScheme}"]`).waitFor();
        await page.screenshot({ path: join(SCREENSHOTS, `${name}-${colorScheme}.png`) });
        await assertAccessible(page, `${name}, ${colorScheme}`);
      }
    },
    async [Symbol.asyncDispose]() {
      await context.close();
      assert.deepEqual(failures, []);
    },
  };
}

async function assertAccessible(page: Page, name: string): Promise<void> {
  await page.evaluate(`${axe};0`);
  const found = await page.evaluate<string[]>(
    "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => " +
      "`${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' ')}`))",
  );
  assert.deepEqual(found, [], name);
}
