/**
 * Makes the pictures of README and docs/tour.md from the page itself, with the demo models: starts
 * a service, adapts, and photographs each view. `deno task docs:pictures`; it needs Chromium.
 */
import { chromium, type Page } from "playwright-core";
import { decodePng, encodeImage } from "../lib/image/mod.ts";
import { findBrowser } from "../tests/browser/browser.ts";
import { startServer } from "../tests/browser/server.ts";

const FOLDER = `${import.meta.dirname}/page`;
const WIDTH = 1120;
const HEIGHT = 720;
/** For each wait: a busy machine is no reason to give up. */
const TIMEOUT_MS = 600_000;

if (import.meta.main) await makePictures();

async function makePictures(): Promise<void> {
  const executablePath = findBrowser();
  if (!executablePath) {
    console.error("Cannot make pictures without Chromium: apt-get install chromium");
    Deno.exit(2);
  }
  await Deno.mkdir(FOLDER, { recursive: true });
  await using server = await startServer();
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  try {
    const context = await browser.newContext({ viewport: { width: WIDTH, height: HEIGHT } });
    const page = await context.newPage();
    page.setDefaultTimeout(TIMEOUT_MS);
    await photographAll(page, server.url);
  } finally {
    await browser.close();
  }
}

async function photographAll(page: Page, url: string): Promise<void> {
  const images = (selector: string, count: number) =>
    page.locator(`${selector} img`).nth(count - 1).waitFor();

  await page.goto(url);
  await images(".hero", 8);
  await page.getByRole("button", { name: "sketch" }).click();
  await take(page, "create", 860);

  await adapt(page, url, "sketch", async () => {
    await page.getByText("After 54 steps").waitFor();
    await take(page, "watch", 1020);
  });
  await adapt(page, url, "watercolour");
  await adapt(page, url, "neon");

  await page.goto(`${url}/#/gallery`);
  await images(".card", 18);
  await take(page, "gallery");

  await page.getByRole("link", { name: "Explore sketch" }).click();
  await images(".wall", 24);
  await page.goto(`${page.url()}?seed=5&walk=5,9,14`);
  for (const which of ["original", "adapted"]) {
    await page.getByAltText(`Seed 5, ${which}`).waitFor();
  }
  await take(page, "explore");
  await page.getByRole("slider", { name: "Frame", exact: true }).fill("12");
  await page.getByAltText("Frame 12 of 72 of the walk").waitFor();
  await page.getByRole("heading", { name: "Walk" }).evaluate((it) => it.scrollIntoView());
  await take(page, "walk");
}

/** Takes the demo from its photos to a style. */
async function adapt(
  page: Page,
  url: string,
  target: string,
  meanwhile = () => Promise.resolve(),
): Promise<void> {
  await page.goto(`${url}/#/create?to=${target}`);
  await page.getByRole("button", { name: "Start" }).click();
  await meanwhile();
  await page.getByRole("link", { name: "Explore" }).waitFor();
}

/**
 * Photographs a window of this height, once all that is in it has come. WebP: half of what a PNG
 * takes, and no blur around letters that can be seen.
 */
async function take(page: Page, name: string, height = HEIGHT): Promise<void> {
  await page.setViewportSize({ width: WIDTH, height });
  await page.locator(".picture[data-loading]").first().waitFor({ state: "detached" });
  const { width, data } = decodePng(await page.screenshot());
  const file = `${FOLDER}/${name}.webp`;
  await Deno.writeFile(file, await encodeImage({ width, height, channels: 3, data }, "webp"));
  console.log(file);
}
