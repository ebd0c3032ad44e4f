/** What survives when the process or the machine goes down. */
import { join } from "node:path";
import { openCheckpoint } from "../../lib/checkpoint/mod.ts";
import { CheckpointError } from "../../lib/errors.ts";
import { decodePng } from "../../lib/image/mod.ts";
import { type Job, JobStore } from "../../lib/jobs/mod.ts";
import { readRun } from "../../models/nada/adapt.ts";
import { DamagedRunError } from "../../models/nada/run_folder.ts";
import { ASKED, type MadeUpService, startService } from "../../tests/service/made_up_service.ts";
import { pause, percentile, type SoakCase } from "./case.ts";
import { allEnded, getJson, startServer, stopServer, submit, until } from "./server.ts";
import { textOf, WRITE_CALLS } from "./write_once.ts";

/** Servers that are killed side by side, each with a folder of its own. */
const LANES = 4;

const killed: SoakCase = {
  id: "1",
  name: "kill -9 during a job",
  target: "0 lost, 0 twice, 0 unreadable files, ready again <= 3 s",
  quick: true,
  async run({ data: makeData, models, quick, random, rounds }) {
    const kills = quick ? 8 : 200;
    const args = ["--max-queued", String(kills)];
    const starts: number[] = [];
    let [done, acknowledged, lost, unreadable, misbehaved] = [0, 0, 0, 0, 0];
    const start = async (data: string) => {
      const server = await startServer({ data, models, args });
      starts.push(server.startMs);
      return server;
    };
    const all = rounds(kills)[Symbol.iterator]();
    await Promise.all(Array.from({ length: LANES }, async (_, lane) => {
      const data = makeData();
      const ids = new Map<string, string>();
      const checked = new Map<string, number>();
      for (let k = 0; !all.next().done; k++) {
        const server = await start(data);
        const submitting = submit(server.url, { steps: 12 }, { "idempotency-key": `key ${k}` })
          .then(({ status, id }) => {
            if (status === 202 || status === 200) ids.set(`key ${k}`, id);
          })
          .catch(() => {}); // killed before it could answer
        await momentIn(server.url, PHASES[(lane + k) % PHASES.length]!, random);
        server.kill("SIGKILL");
        await Promise.all([server.ended, submitting]);
        done++;
        unreadable += await unreadableFiles(join(data, "adaptations"), checked);
      }
      const server = await start(data);
      if (!await allEnded(server.url, 300 + 10 * kills)) misbehaved++;
      for (const [key, id] of ids) {
        const shown = await getJson(`${server.url}/v1/adaptations/${id}`).catch(() => null);
        const log = await fetch(`${server.url}/v1/adaptations/${id}/files/log.jsonl`);
        const steps = (await log.text()).trim().split("\n").map((line) => JSON.parse(line).step);
        const whole = steps.length === 12 && steps.every((step, i) => step === i);
        const repeated = await submit(server.url, { steps: 12 }, { "idempotency-key": key });
        if (shown?.state === "succeeded" && whole && repeated.id === id) continue;
        console.error(`  1: ${key}`, { shown, steps, repeated });
        lost++;
      }
      acknowledged += ids.size;
      if ((await stopServer(server)).code !== 0) misbehaved++;
    }));
    const [p50, slowest] = [0.5, 1].map((p) => (percentile(starts, p) / 1000).toFixed(1));
    return {
      figure: `${done} kills: ${acknowledged} acknowledged, ${lost} lost or wrong, ` +
        `${unreadable} unreadable files, start p50 ${p50} s, slowest ${slowest} s`,
      isRight: lost === 0 && unreadable === 0 && misbehaved === 0,
      isWithin: Math.max(...starts) <= 3000,
    };
  },
};

/** Which part of a job's life to kill it in; one phase after the other, whatever the machine's pace. */
const PHASES = ["submit", "starting", "processing", "end"] as const;

/** Returns at a random moment of the phase. */
async function momentIn(url: string, phase: typeof PHASES[number], random: () => number) {
  /** Some job in this state, once there is one. */
  const someJob = async (state: string): Promise<string> => {
    let id: string | undefined;
    await until(async () => {
      const { adaptations } = await getJson(`${url}/v1/adaptations?state=${state}&limit=1`);
      id = adaptations[0]?.id;
      return id !== undefined;
    }, 120);
    if (id === undefined) throw new Error(`no job came to be ${state}`);
    return id;
  };
  if (phase === "submit") {
    await pause(500 * random());
  } else if (phase === "end") {
    const path = `${url}/v1/adaptations/${await someJob("processing")}`;
    await until(async () => (await getJson(path)).finished_at !== null, 120);
    await pause(100 * random());
  } else {
    await someJob(phase);
    await pause(1500 * random());
  }
}

const killedWriting: SoakCase = {
  id: "2",
  name: "kill -9 before and after every call of a write",
  target: "the old file before the rename, the new one behind it; what is left over is swept",
  quick: true,
  async run({ data: makeData, models, quick, rounds }) {
    const data = makeData();
    const folder = join(data, "adaptations", "some", "run");
    await Deno.mkdir(folder, { recursive: true });
    const path = join(folder, "resume.safetensors");
    await Deno.writeTextFile(path, textOf(0));
    const moments = WRITE_CALLS.flatMap((_, call) =>
      [false, true].map((after) => ({ call, after }))
    );
    const kills = moments.length * (quick ? 1 : 20);
    let [done, version, mixed] = [0, 0, 0];
    for (const k of rounds(kills)) {
      const { call, after } = moments[k % moments.length]!;
      const child = new Deno.Command("deno", {
        args: [
          ...["run", "-q", "--no-prompt", `--allow-write=${folder}`, `--allow-read=${folder}`],
          new URL("write_once.ts", import.meta.url).pathname,
          ...[path, String(version + 1), String(call), String(after)],
        ],
        stdin: "null",
        stdout: "piped",
      }).spawn();
      // It tells when it is there, and stays.
      const { done: isOver } = await child.stdout.getReader().read();
      child.kill("SIGKILL");
      await child.status;
      done++;
      const rename = WRITE_CALLS.indexOf("rename");
      if (call > rename || (call === rename && after)) version++;
      if (isOver || await Deno.readTextFile(path) !== textOf(version)) mixed++;
    }
    const leftOver = () =>
      [...Deno.readDirSync(folder)].filter(({ name }) => name.endsWith(".tmp"));
    const before = leftOver().length;
    await stopServer(await startServer({ data, models }));
    const after = leftOver().length;
    return {
      figure: `${done} kills at ${moments.length} moments: ${mixed} wrong files; ${before} ` +
        `temporary files, after a start ${after}`,
      isRight: mixed === 0 && before > 0 && after === 0,
      isWithin: true,
    };
  },
};

const resumed: SoakCase = {
  id: "3",
  name: "resumed equals uninterrupted",
  target: "equal bits; stopped <= 10 s, exit 0",
  quick: true,
  async run({ data, models }) {
    const deltaOf = async (url: string, id: string) => {
      await until(
        async () => (await getJson(`${url}/v1/adaptations/${id}`)).state === "succeeded",
        300,
      );
      // Its head says when the run was made: what counts are the tensors behind it.
      const delta = await (await fetch(`${url}/v1/generators/${id}/download`)).bytes();
      const head = Number(new DataView(delta.buffer).getBigUint64(0, true));
      return delta.slice(8 + head).toHex();
    };
    const first = data("stopped");
    const server = await startServer({ data: first, models });
    const straight = await submit(server.url, { steps: 60 });
    const whole = await deltaOf(server.url, straight.id);
    const { id } = await submit(server.url, { steps: 60 });
    await until(
      async () => (await getJson(`${server.url}/v1/adaptations/${id}`)).progress.step > 20,
      300,
    );
    const started = performance.now();
    const { code } = await stopServer(server);
    const seconds = (performance.now() - started) / 1000;
    const again = await startServer({ data: first, models });
    const resumed = await deltaOf(again.url, id);
    await stopServer(again);
    return {
      figure: `${whole === resumed ? "equal" : "different"} deltas; stopped in ` +
        `${seconds.toFixed(1)} s with exit code ${code}`,
      isRight: whole === resumed && code === 0,
      isWithin: seconds <= 10,
    };
  },
};

const powerCut: SoakCase = {
  id: "4",
  name: "power cut: the log cut anywhere",
  target: "no acknowledged job lost, the store opens",
  quick: false,
  async run({ folder, random }) {
    const path = join(folder, "jobs.db");
    const store = JobStore.open(path);
    const sizes: number[] = [];
    for (let i = 0; i < 50; i++) {
      store.put(made(`job ${i}`));
      sizes.push((await Deno.stat(`${path}-wal`)).size);
    }
    const [main, log] = await Promise.all([Deno.readFile(path), Deno.readFile(`${path}-wal`)]);
    store[Symbol.dispose]();
    let lost = 0;
    for (let k = 0; k < 500; k++) {
      const cut = Math.floor(random() * log.length);
      const copy = join(folder, `cut.db`);
      await Deno.writeFile(copy, main);
      await Deno.writeFile(`${copy}-wal`, log.subarray(0, cut));
      using opened = JobStore.open(copy);
      const acknowledged = sizes.filter((size) => size <= cut).length;
      if (opened.page({ limit: 100 }).jobs.length < acknowledged) lost++;
    }
    return { figure: `500 cuts, ${lost} with a job lost`, isRight: lost === 0, isWithin: true };
  },
};

const bitRot: SoakCase = {
  id: "5",
  name: "bit rot in the store and in what runs go on from",
  target: "noticed or harmless, the store opens",
  quick: false,
  async run({ folder, random, rounds }) {
    const path = join(folder, "jobs.db");
    const jobs = Array.from({ length: 20 }, (_, i) => made(`job ${i}`));
    {
      using store = JobStore.open(path);
      jobs.forEach((job) => store.put(job));
    }
    const bytes = await Deno.readFile(path);
    const flips = 9000;
    let [noticed, wrong] = [0, 0];
    for (const k of rounds(flips)) {
      const place = join(folder, `flip ${k}`);
      await Deno.mkdir(place);
      await Deno.writeFile(join(place, "jobs.db"), flipped(bytes, random));
      try {
        using store = JobStore.open(join(place, "jobs.db"));
        const { jobs: kept } = store.page({ limit: 100 });
        if (store.damage.length > 0) noticed++;
        const isWrong = kept.some((job) =>
          JSON.stringify(job) !== JSON.stringify(jobs.find(({ id }) => id === job.id))
        );
        if (isWrong || (kept.length < jobs.length && store.damage.length === 0)) wrong++;
      } catch (error) {
        if (/a later release/.test((error as Error).message)) noticed++;
        else wrong++;
      }
      await Deno.remove(place, { recursive: true });
    }

    await using service = await startService();
    const run = await stoppedRun(service);
    const whole = await contentOf(run);
    const runFlips = 1000;
    let [runNoticed, runWrong] = [0, 0];
    for (const k of rounds(runFlips)) {
      const file = join(run, ["config.json", "resume.safetensors"][k % 2]!);
      const kept = await Deno.readFile(file);
      await Deno.writeFile(file, flipped(kept, random));
      try {
        if (await contentOf(run) !== whole) runWrong++;
      } catch (error) {
        // For those two the service begins the run again.
        if (error instanceof CheckpointError || error instanceof DamagedRunError) runNoticed++;
        else runWrong++;
      }
      await Deno.writeFile(file, kept);
    }
    return {
      figure:
        `jobs: ${flips} flips, ${noticed} noticed, ${wrong} wrong or not opened; states and ` +
        `settings of runs: ${runFlips} flips, ${runNoticed} noticed, ${runWrong} wrong`,
      isRight: wrong === 0 && runWrong === 0,
      isWithin: true,
    };
  },
};

/** A copy with one bit changed. */
function flipped(bytes: Uint8Array, random: () => number): Uint8Array {
  const copy = bytes.slice();
  copy[Math.floor(random() * bytes.length)]! ^= 1 << Math.floor(random() * 8);
  return copy;
}

/** The folder of a run that was interrupted after its first steps. */
async function stoppedRun({ service, post, config }: MadeUpService): Promise<string> {
  const { adaptations } = service;
  const { id } = await (await post("/v1/adaptations", { ...ASKED, steps: 1000 })).json();
  await until(() => Promise.resolve((adaptations.feed.progress(id, 1000)?.step ?? 0) > 12), 120);
  await adaptations.queue.stop();
  return join(config.data, "adaptations", id, "run");
}

/** Everything that a run goes on from. */
async function contentOf(run: string): Promise<string> {
  const { inputs: { options }, state: { step, times, weights, moments } } = await readRun(
    run,
    null,
  );
  const entries = [times, weights, moments].map((values) => [...values]);
  return JSON.stringify([options, step, entries]);
}

function made(id: string): Job {
  return {
    id,
    state: "queued",
    priority: 0,
    request: { text: id, padding: "x".repeat(300) },
    result: null,
    error: null,
    createdAt: 1,
    startedAt: null,
    finishedAt: null,
    attempts: 0,
    owner: "",
    idempotencyKey: null,
    fingerprint: id,
  };
}

/** How many files under their own names cannot be read; `checked` has the time of those seen before. */
async function unreadableFiles(folder: string, checked: Map<string, number>): Promise<number> {
  let count = 0;
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) {
      count += await unreadableFiles(path, checked);
    } else if (!name.startsWith(".")) {
      const { mtime } = await Deno.stat(path);
      if (checked.get(path) === mtime!.getTime()) continue;
      checked.set(path, mtime!.getTime());
      if (!await isReadable(path)) count++;
    }
  }
  return count;
}

async function isReadable(path: string): Promise<boolean> {
  try {
    if (path.endsWith(".png")) decodePng(await Deno.readFile(path));
    else if (path.endsWith(".json")) JSON.parse(await Deno.readTextFile(path));
    else if (path.endsWith(".safetensors")) {
      using checkpoint = await openCheckpoint(path);
      for (const tensor of checkpoint.tensors.values()) await tensor.read();
    }
    return true;
  } catch {
    return false;
  }
}

export const durability = [killed, killedWriting, resumed, powerCut, bitRot];
