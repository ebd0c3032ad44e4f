/**
 * The page on the real service in a real browser. Apart from the other tests, because Playwright
 * looks at more of the machine than they may: `deno task test:browser`.
 */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { addToken } from "../../service/tokens.ts";
import { findBrowser, openBrowser } from "./browser.ts";
import { nada, startServer } from "./server.ts";

const chromium = findBrowser();
if (!chromium) console.log("Skipped: no Chromium is installed (apt-get install chromium)");

const test = (name: string, fn: (t: Deno.TestContext) => Promise<void>) =>
  Deno.test({ name, fn, ignore: !chromium, sanitizeOps: false, sanitizeResources: false });

/** The address of Create with a run that takes so many steps. */
const create = (steps: number) =>
  `#/create?from=a&to=b&clip=tiny&steps=${steps}&preview_every=4&preview_count=4`;

async function begin(page: Page, url: string, steps: number): Promise<void> {
  await page.goto(`${url}/${create(steps)}`);
  await page.getByRole("button", { name: "Start" }).click();
  await page.waitForURL(/#\/watch\//);
}

const images = (page: Page, selector: string, count: number) =>
  page.locator(`${selector} img`).nth(count - 1).waitFor();

test("From a prompt to a file: create, watch, explore, gallery, download", async () => {
  await using server = await startServer();
  await using browser = await openBrowser(chromium!);
  await using tab = await browser.open({ acceptDownloads: true });
  const { page, look } = tab;

  await page.goto(server.url);
  await images(page, ".hero", 8);
  await look("create");
  await page.getByText("Advanced").click();
  await look("create-advanced");

  await begin(page, server.url, 12);
  await images(page, ".before-after", 1);
  await page.getByText("learning").waitFor();
  await look("watch");
  await page.getByRole("link", { name: "Explore" }).waitFor();
  await look("watch-done");

  await page.getByRole("link", { name: "Explore" }).click();
  await images(page, ".wall", 24);
  await images(page, ".compare", 2);
  await look("explore");
  await page.getByRole("slider", { name: "Strength" }).fill("0.5");
  await page.getByRole("button", { name: "Seed 3", exact: true }).click();
  await page.waitForURL(/strength=0.5&seed=3/);
  await page.reload();
  await page.getByAltText("Seed 3, adapted").waitFor();
  assert.equal(await page.getByRole("slider", { name: "Strength" }).inputValue(), "0.5");

  await page.getByRole("link", { name: "Gallery" }).click();
  await images(page, ".card", 6);
  await look("gallery");
  await page.getByText("Download").click();
  const downloading = page.waitForEvent("download");
  await page.getByRole("button", { name: /delta/ }).click();
  const file = server.folder.file("b.safetensors");
  await (await downloading).saveAs(file);
  const out = server.folder.file("sheet.png");
  const sampled = await nada(
    ["sample", "--generator", "demo", "--adapted", file, "--seeds", "0-1", "--out", out],
  ).output();
  assert.ok(sampled.success, new TextDecoder().decode(sampled.stderr));

  await page.getByRole("searchbox").fill("nothing of that name");
  await page.getByText("Nothing is called").waitFor();
  await page.getByRole("searchbox").fill("");
  await page.getByRole("button", { name: "Delete b" }).click();
  await page.getByText("Nothing is here yet").waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await images(page, ".card", 6);
});

test("A run goes on in the page when the server was away, and another tab sees it", async () => {
  await using server = await startServer();
  await using browser = await openBrowser(chromium!);
  await using tab = await browser.open();
  await using other = await browser.open({ colorScheme: "dark" });
  await begin(tab.page, server.url, 60);
  await images(tab.page, ".before-after", 1);
  await other.page.goto(tab.page.url());
  await images(other.page, ".before-after", 1);
  await server.stop();
  await tab.page.getByText("The server does not answer").waitFor();
  await tab.look("server-away");
  await server.start();
  await tab.page.getByText("The server does not answer").waitFor({ state: "detached" });
  for (const { page } of [tab, other]) {
    await page.getByText("step 60 of 60").waitFor();
    await page.getByRole("link", { name: "Explore" }).waitFor();
  }
  await other.look("watch-dark");
});

test("A phone and a keyboard are enough, also to cancel; bad requests say why", async () => {
  await using server = await startServer();
  await using browser = await openBrowser(chromium!);
  await using tab = await browser.open({
    viewport: { width: 390, height: 844 },
    colorScheme: "dark",
    reducedMotion: "reduce",
  });
  const { page, look } = tab;
  await page.goto(`${server.url}/${create(2000)}`);
  await images(page, ".hero", 8);
  await look("phone-create");
  await page.getByLabel("To", { exact: true }).focus();
  await page.keyboard.press("Control+A");
  await page.keyboard.type("a");
  await page.keyboard.press("Enter");
  await page.getByText("source and target are the same text").waitFor();
  await look("phone-problem");
  await page.keyboard.press("Control+A");
  await page.keyboard.type("b");
  await page.keyboard.press("Enter");
  await images(page, ".before-after", 1);
  await look("phone-watch");
  await page.getByRole("button", { name: "Cancel" }).focus();
  await page.keyboard.press("Enter");
  await page.getByText("canceled").waitFor();
  assert.equal(await page.evaluate("document.documentElement.scrollWidth - innerWidth"), 0);
});

test("A token is asked for once, and kept for the session alone", async () => {
  await using server = await startServer();
  await using browser = await openBrowser(chromium!);
  const token = await addToken(server.data, { name: "me", scopes: ["admin"], rate: null });
  await server.stop();
  await server.start();
  await using tab = await browser.open();
  const { page, look } = tab;
  await page.goto(server.url);
  await page.getByText("This server asks for a token").waitFor();
  await look("token");
  await page.getByLabel("Token", { exact: true }).fill("nada_wrong");
  await page.keyboard.press("Enter");
  await page.getByText("does not know the token").waitFor();
  await page.getByLabel("Token", { exact: true }).fill(token);
  await page.keyboard.press("Enter");
  await images(page, ".hero", 8);
  await page.reload();
  await images(page, ".hero", 8);
  assert.equal(await page.evaluate("localStorage.length"), 0);
  assert.ok(!page.url().includes(token));
});
