/**
 * The page on the real service in a real browser. Apart from the other tests, because Playwright
 * looks at more of the machine than they may: `deno task test:browser`.
 */
import assert from "node:assert/strict";
import type { Locator, Page } from "playwright-core";
import { decodePng } from "../../lib/image/mod.ts";
import { addToken } from "../../service/tokens.ts";
import { findBrowser, openBrowser } from "./browser.ts";
import { nada, startServer } from "./server.ts";

const chromium = findBrowser();
if (!chromium) console.log("Skipped: no Chromium is installed (apt-get install chromium)");

const test = (name: string, fn: (t: Deno.TestContext) => Promise<void>) =>
  Deno.test({ name, fn, ignore: !chromium, sanitizeOps: false, sanitizeResources: false });

/** The address of Create with a run that only ends when it is told to. */
const CREATE = "#/create?from=a&to=b&clip=tiny&steps=5000&preview_every=4&preview_count=4";

async function begin(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/${CREATE}`);
  await page.getByRole("button", { name: "Start" }).click();
  await page.waitForURL(/#\/watch\//);
}

const images = (page: Page, selector: string, count: number) =>
  page.locator(`${selector} img`).nth(count - 1).waitFor();

/** Saves what a click brings. */
async function download(page: Page, click: () => Promise<void>, path: string): Promise<Uint8Array> {
  const downloading = page.waitForEvent("download");
  await click();
  await (await downloading).saveAs(path);
  return await Deno.readFile(path);
}

/** Goes on with the Tab key, or back with Shift, until the element has the focus. */
async function tabTo(page: Page, element: Locator, key = "Tab"): Promise<void> {
  for (let presses = 0; presses < 200; presses++) {
    if (await element.and(page.locator(":focus")).count() > 0) return;
    await page.keyboard.press(key);
  }
  assert.fail(`The Tab key does not get to ${element}`);
}

test("From a prompt to a file: create, watch, explore, gallery, download", async (t) => {
  await using server = await startServer();
  await using browser = await openBrowser(chromium!);
  await using tab = await browser.open({ acceptDownloads: true });
  const { page, look } = tab;
  const file = server.folder.file;

  await t.step("Create shows what there is, and every option", async () => {
    await page.goto(server.url);
    await images(page, ".hero", 8);
    await look("create");
    await page.getByText("Advanced").click();
    await look("create-advanced");
  });

  await t.step("Watch shows the run live", async () => {
    await begin(page, server.url);
    await images(page, ".before-after", 1);
    await page.getByText("learning").waitFor();
    await look("watch");
    await page.getByRole("button", { name: "Stop here and keep" }).click();
    await page.getByRole("link", { name: "Explore" }).waitFor();
    await look("watch-done");
  });

  await t.step("Explore keeps in the address what is looked at", async () => {
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
  });

  await t.step("A face dragged onto another is mixed into it", async () => {
    const face = (seed: number) => page.getByRole("button", { name: `Seed ${seed}`, exact: true });
    await face(4).dragTo(face(2));
    await page.waitForURL(/seed=2&mix=4/);
    await page.getByText("Styles of seed 4 from layer").waitFor();
    await page.getByLabel("Mixed with seed").fill("");
    await page.getByText("Styles of seed").waitFor({ state: "detached" });
  });

  await t.step("A walk is picked, played, and saved as PNGs and as a GIF", async () => {
    await page.getByLabel("adds it to the walk").check();
    for (const seed of [1, 5]) {
      await page.getByRole("button", { name: `Seed ${seed}`, exact: true }).click();
    }
    await page.getByRole("slider", { name: "Frames from face to face" }).fill("4");
    await page.getByRole("button", { name: "Play" }).click();
    await page.locator(".player canvas").waitFor();
    await look("explore-walk");
    await page.getByRole("button", { name: "Pause" }).click();
    const save = (name: string) => () => page.getByRole("button", { name }).click();
    const zip = await download(page, save("Save PNGs"), file("walk.zip"));
    assert.equal(new TextDecoder("latin1").decode(zip).match(/frame_\d+\.png/g)!.length, 2 * 8);
    const gif = await download(page, save("Save GIF"), file("walk.gif"));
    assert.equal(new TextDecoder("latin1").decode(gif.subarray(0, 6)), "GIF89a");
  });

  await t.step("Gallery renames and finds", async () => {
    await page.getByRole("link", { name: "Gallery" }).click();
    await images(page, ".card", 6);
    await page.getByRole("button", { name: "Rename b" }).click();
    await page.getByLabel("Name", { exact: true }).fill("My first");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "My first" }).waitFor();
    await look("gallery");
    await page.getByRole("searchbox").fill("nothing of that name");
    await page.getByText("Nothing is called").waitFor();
    await page.getByRole("searchbox").fill("first");
    await page.getByRole("heading", { name: "My first" }).waitFor();
  });

  await t.step("Files in every format are what they say, and nada sample loads them", async () => {
    const get = async (label: string, name: string) => {
      await page.getByText("Download").click();
      await download(page, () => page.getByRole("button", { name: label }).click(), file(name));
    };
    const sample = async (out: string, ...args: string[]) => {
      const { success, stderr } = await nada(
        ["sample", "--seeds", "0", "--quiet", "--out", file(out), ...args],
      ).output();
      assert.ok(success, new TextDecoder().decode(stderr));
      return decodePng(await Deno.readFile(file(`${out}/seed0000.png`))).data;
    };
    await get("delta", "b.safetensors");
    await get(".safetensors", "whole.safetensors");
    await get(".pt", "whole.pt");
    const adapted = await sample(
      "delta",
      ...["--generator", "demo", "--adapted", file("b.safetensors")],
    );
    for (const name of ["whole.safetensors", "whole.pt"]) {
      const whole = await sample(name.replace(".", " "), "--generator", file(name));
      assert.ok(whole.every((value, i) => value === adapted[i]), name);
    }
  });

  await t.step("Duplicate asks again; a further target has a weight", async () => {
    await page.getByRole("link", { name: "Duplicate" }).click();
    await page.getByRole("button", { name: "+ Another target" }).click();
    await page.getByLabel("Further target 1").fill("c");
    await page.getByLabel("Weight of c").fill("0.5");
    await look("create-targets");
    await page.getByRole("button", { name: "Start" }).click();
    await page.getByRole("button", { name: "Stop here and keep" }).click();
    await page.getByText("done", { exact: true }).waitFor();
    await page.getByRole("heading", { name: "a → b + c" }).waitFor();
  });

  await t.step("Two adaptations are blended, and what is seen can be copied", async () => {
    await page.getByRole("link", { name: "Explore" }).click();
    await page.getByLabel("Blended with").selectOption("My first");
    await page.getByRole("slider", { name: "Share of the second" }).fill("0.25");
    await page.waitForURL(/blend=[0-9a-f-]+&blend_by=0.25/);
    await images(page, ".compare", 2);
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    const copied = async (name: string) => {
      await page.getByRole("button", { name: `Copy ${name}` }).click();
      await page.getByText(`Copied the ${name}`).waitFor();
      return await page.evaluate<string>("navigator.clipboard.readText()");
    };
    assert.equal(await copied("link"), page.url());
    assert.match(
      await copied("CLI command"),
      /^nada sample --generator demo --adapted \S+ --strength 0.75 --adapted \S+ --strength 0.25 /,
    );
    const [, url] = /'(http:.*)'$/.exec(await copied("API call"))!;
    assert.equal((await fetch(url!).then((answer) => answer.bytes()))[1], 0x50, "a PNG");
  });

  await t.step("What is deleted can be had back", async () => {
    await page.getByRole("link", { name: "Gallery" }).click();
    await page.getByRole("button", { name: "Delete My first" }).click();
    await page.getByRole("heading", { name: "My first" }).waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByRole("heading", { name: "My first" }).waitFor();
  });
});

test("Of a generator with classes, the page draws the one that is chosen", async () => {
  await using server = await startServer();
  await using browser = await openBrowser(chromium!);
  await using tab = await browser.open();
  const { page, look } = tab;
  const drawn = (pattern: RegExp) =>
    page.waitForResponse((answer) => pattern.test(answer.url()) && answer.ok());

  const first = drawn(/kinds\/samples\/0\.png\?.*class=0/);
  await page.goto(`${server.url}/#/explore/kinds`);
  await first;
  await images(page, ".compare", 2);
  const field = page.getByLabel("Class");
  assert.equal(await field.inputValue(), "0");
  const other = drawn(/kinds\/samples\/0\.png\?.*class=3/);
  await field.fill("3");
  await other;
  await page.waitForURL(/class=3/);
  await look("explore-class");

  const asked = drawn(/kinds\/samples\/0\.png\?class=2/);
  await page.goto(`${server.url}/#/create?generator=kinds&class=2`);
  await asked;
  assert.equal(await page.getByLabel("Class").inputValue(), "2");
});

test("A picture that was drawn here leads back to where it is drawn", async () => {
  await using server = await startServer();
  await using browser = await openBrowser(chromium!);
  await using tab = await browser.open();
  const { page } = tab;
  const drop = async (path: string) => {
    const dropped = await page.evaluateHandle(`(async () => {
      const data = new DataTransfer();
      const file = await (await fetch("${path}")).blob();
      data.items.add(new File([file], "face", { type: file.type }));
      return data;
    })()`);
    for (const type of ["dragover", "drop"]) {
      await page.dispatchEvent("main", type, { dataTransfer: dropped });
    }
  };
  await page.goto(`${server.url}/#/gallery`);
  await page.getByText("Nothing is here yet").waitFor();
  await drop("/v1/generators/kinds/samples/9.png?class=3&truncation=0.5");
  await page.waitForURL(/#\/explore\/kinds\?seed=9&truncation=0.5&class=3$/);
  await images(page, ".compare", 2);
  await drop("/ui/icon.svg");
  await page.getByText("“face” does not say how it was drawn").waitFor();
});

test("Pictures are dropped as the target, and are there again in a duplicate", async () => {
  await using server = await startServer();
  await using browser = await openBrowser(chromium!);
  await using tab = await browser.open();
  const { page, look } = tab;
  await page.goto(`${server.url}/#/gallery`);
  await page.getByText("Nothing is here yet").waitFor();
  await look("gallery-empty");
  await page.goto(`${server.url}/#/create?from=a&clip=tiny&steps=4&preview_count=2`);
  await images(page, ".hero", 8);
  const dropped = await page.evaluateHandle(`(async () => {
    const canvas = new OffscreenCanvas(16, 16);
    canvas.getContext("2d").fillRect(4, 4, 8, 8);
    const data = new DataTransfer();
    for (const name of ["one.png", "two.png"]) {
      data.items.add(new File([await canvas.convertToBlob()], name, { type: "image/png" }));
    }
    data.items.add(new File(["text"], "three.txt", { type: "text/plain" }));
    return data;
  })()`);
  for (const type of ["dragover", "drop"]) {
    await page.dispatchEvent(".drop", type, { dataTransfer: dropped });
  }
  await page.getByText("Only PNG, JPEG and WebP").waitFor();
  await page.getByRole("button", { name: "Remove two.png" }).click();
  await look("create-pictures");
  await page.getByRole("button", { name: "Start" }).click();
  await page.getByRole("heading", { name: "a → your pictures" }).waitFor();
  await page.getByRole("button", { name: "Continue for 100 more" }).click();
  await page.getByText("of 100").waitFor();
  await page.getByRole("button", { name: "Stop here and keep" }).click();
  await page.getByRole("link", { name: "Same settings again" }).click();
  await page.getByRole("button", { name: "Remove the pictures of before" }).waitFor();
  await page.getByRole("button", { name: "Start" }).click();
  await page.getByRole("heading", { name: "a → your pictures" }).waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByText("canceled").waitFor();
});

test("A run goes on in the page when the server was away, and another tab sees it", async () => {
  await using server = await startServer();
  await using browser = await openBrowser(chromium!);
  await using tab = await browser.open();
  await using other = await browser.open();
  const stepsDone = async (page: Page) => {
    const text = await page.getByText(/^step \d+ of 5000$/).innerText();
    return Number(text.split(" ")[1]);
  };
  await begin(tab.page, server.url);
  await other.page.goto(tab.page.url());
  await other.page.getByText("learning").waitFor();
  await tab.page.getByText(/^step [1-9]/).waitFor();
  const before = await stepsDone(tab.page);
  await server.stop();
  await tab.page.getByText("The server does not answer").waitFor();
  await tab.look("server-away");
  await server.start();
  await tab.page.getByText("The server does not answer").waitFor({ state: "detached" });
  await other.page.getByRole("button", { name: "Stop here and keep" }).click();
  for (const { page } of [tab, other]) {
    await page.getByRole("link", { name: "Explore" }).waitFor();
    assert.ok(await stepsDone(page) >= before);
  }
});

test("A phone and a keyboard are enough; bad requests say why", async () => {
  await using server = await startServer();
  await using browser = await openBrowser(chromium!);
  await using tab = await browser.open({
    viewport: { width: 390, height: 844 },
    reducedMotion: "reduce",
  });
  const { page, look } = tab;
  const press = (...keys: string[]) =>
    keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());

  await page.goto(`${server.url}/${CREATE}`);
  await images(page, ".hero", 8);
  await look("phone-create");
  await tabTo(page, page.getByLabel("To", { exact: true }));
  await press("Control+A", "a", "Enter");
  await page.getByText("source and target are the same text").waitFor();
  await look("phone-problem");
  await press("Control+A", "b", "Enter");
  await images(page, ".before-after", 1);
  await look("phone-watch");
  await tabTo(page, page.getByRole("button", { name: "Stop here and keep" }));
  await press("Enter");
  await page.getByText("done", { exact: true }).waitFor();
  await tabTo(page, page.getByRole("link", { name: "Explore" }));
  await press("Enter");
  await images(page, ".wall", 24);
  await look("phone-explore");
  await tabTo(page, page.getByLabel("shows it"));
  await press("ArrowDown");
  await tabTo(page, page.getByRole("button", { name: "Seed 3", exact: true }));
  await press("Enter");
  await page.waitForURL(/mix=3/);
  await tabTo(page, page.getByRole("link", { name: "Gallery" }), "Shift+Tab");
  await press("Enter");
  await images(page, ".card", 6);
  await look("phone-gallery");
  await tabTo(page, page.getByText("Download"));
  await press("Enter");
  await page.getByRole("button", { name: "delta" }).waitFor();
  await press("Escape");
  await page.getByRole("button", { name: "delta" }).waitFor({ state: "hidden" });
  assert.equal(await page.evaluate("document.documentElement.scrollWidth - innerWidth"), 0);
  const motion = await page.evaluate(`(() => {
    const loading = document.createElement("span");
    loading.className = "picture";
    loading.dataset.loading = "";
    document.body.append(loading);
    return getComputedStyle(loading).animationName;
  })()`);
  assert.equal(motion, "none", "reduced motion is honoured");
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
