/** The GPU's worker: owns the device, and does the work that is asked for on it. */
import { exists } from "../files.ts";
import { sha256File } from "../../lib/checkpoint/mod.ts";
import {
  CheckpointError,
  DeviceLostError,
  DeviceMemoryError,
  DoesNotFitError,
} from "../../lib/errors.ts";
import { Gpu } from "../../lib/gpu/device.ts";
import { Tuning } from "../../lib/graph/tuning.ts";
import { clipPreprocess } from "../../lib/image/mod.ts";
import { adapt, type AdaptResult, readInputs, readRun, resume } from "../../models/nada/adapt.ts";
import type { AdaptEvents } from "../../models/nada/run.ts";
import { DamagedRunError } from "../../models/nada/run_folder.ts";
import { unitVector } from "../../models/nada/vectors.ts";
import type { Clip } from "../../models/clip/mod.ts";
import type { CallContext, Methods } from "../calls.ts";
import { ServiceError } from "../failure.ts";
import { join, relative } from "node:path";
import { AdaptedCache } from "./adapted_cache.ts";
import { ClipCache } from "./clip_cache.ts";
import { Renderer } from "./renderer.ts";
import { Spare } from "./spare.ts";
import { Turns } from "./turns.ts";
import type {
  AdaptDone,
  AdaptEvent,
  AdaptWork,
  Drawn,
  Embedded,
  EmbedWork,
  GpuStatus,
  GpuWork,
  SampleWork,
} from "./work.ts";

/** A device, and what is on it. */
interface Session {
  readonly gpu: Gpu;
  readonly cache: AdaptedCache;
  readonly renderer: Renderer;
  readonly turns: Turns;
  /** Rejects once the device is lost: what was submitted to it may never say so itself. */
  readonly lost: Promise<never>;
  readonly clips: ClipCache;
  readonly spare: Spare;
  /** Ends what the session does by itself, and gives the device back. */
  close(): void;
}

export interface GpuOptions {
  /** Folder for which kernels were measured to be the fastest. */
  readonly tuningFolder: string;
  /** Memory on the device for what adaptations change. */
  readonly cacheBytes: number;
  /** Memory on the device for everything; null where it is not known. */
  readonly memoryBytes: number | null;
  /** How long a model that nobody uses stays on the device; null for ever. */
  readonly keepAliveMs: number | null;
}

/** How often models that nobody uses are looked for. */
const CHECK_IDLE_MS = 10_000;

export class GpuHost implements GpuWork, Methods<GpuWork> {
  #session: Promise<Session> | null = null;
  #lost = 0;

  constructor(private readonly options: GpuOptions) {}

  adapt({ folder, options }: AdaptWork, { signal, emit }: CallContext): Promise<AdaptDone> {
    return this.#use(async ({ gpu, turns, spare }) => {
      const tell = (event: AdaptEvent) => emit(event);
      let done = 0;
      const events: AdaptEvents = {
        onStart: (start) => {
          done = start.done;
          tell({ type: "start", done, steps: start.steps });
        },
        onStep: (entry) => {
          done = entry.step + 1;
          tell({ type: "step", entry });
        },
        takeTurn: () => turns.take(),
        makeRoom: (bytes) => spare.free(bytes),
        onSamples: (file) => tell({ type: "preview", step: done, file: relative(folder, file) }),
      };
      const result = await this.#adaptOrResume(gpu, { folder, options }, events, signal);
      if (result.status === "diverged") {
        throw new ServiceError(
          "diverged",
          `Cannot go on: the loss of step ${result.stepsDone + 1} is no finite number; the state ` +
            `after ${result.stepsDone} steps is kept; try a lower lr, or another seed`,
        );
      }
      const { status, stepsDone, figures } = result;
      const sha256 = await sha256File(join(folder, "adapted.safetensors"));
      return { status, stepsDone, figures, sha256 };
    });
  }

  async sample(work: SampleWork): Promise<Drawn> {
    const draw = () => this.#use(({ renderer }) => renderer.draw(work));
    try {
      return await draw();
    } catch (error) {
      if (!(error instanceof DeviceLostError)) throw error;
      return await draw(); // on a fresh device
    }
  }

  embed({ clip: path, texts, images }: EmbedWork): Promise<Embedded> {
    const encode = async (clip: Clip): Promise<Embedded> => {
      const { imageSize } = clip.architecture.image;
      const shape = [1, 3, imageSize, imageSize];
      const features: Float32Array[] = [];
      for (const image of images) {
        const data = clipPreprocess({ ...image, channels: 3 }, imageSize);
        features.push(...await clip.encodeImages({ shape, data }, "none"));
      }
      return {
        texts: (await clip.encodeTexts(texts)).map((row) => unitVector(row)),
        images: features.map((row) => unitVector(row)),
      };
    };
    return this.#use(async ({ clips, spare }) => {
      try {
        return await clips.use(path, encode);
      } catch (error) {
        if (!(error instanceof DeviceMemoryError)) throw error;
        await spare.free(Infinity);
        return await clips.use(path, encode);
      }
    });
  }

  async forget({ delta }: { readonly delta: string }): Promise<void> {
    if (this.#session) (await this.#session).cache.forget(delta);
  }

  status(): Promise<GpuStatus> {
    return this.#use(({ gpu, cache, clips }) => {
      gpu.assertAlive();
      return Promise.resolve({
        adapter: gpu.adapterName,
        kind: gpu.kind,
        limits: gpu.limits,
        ...gpu.allocated,
        memoryBytes: gpu.capacityBytes,
        cache: cache.status,
        loaded: [...cache.loaded, ...clips.loaded],
        lost: this.#lost,
      });
    });
  }

  async lose(): Promise<void> {
    (await this.#open()).gpu.device.destroy();
  }

  /** Gives the device back. */
  async close(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    (await session)?.close();
  }

  async #adaptOrResume(
    gpu: Gpu,
    { folder, options }: AdaptWork,
    events: AdaptEvents,
    signal: AbortSignal,
  ): Promise<AdaptResult> {
    if (await exists(join(folder, "resume.safetensors"))) {
      try {
        return await resume(gpu, await readRun(folder, null), events, signal);
      } catch (error) {
        // What was kept is no good: better from the start than not at all.
        if (!(error instanceof CheckpointError || error instanceof DamagedRunError)) throw error;
        await Deno.rename(folder, `${folder}.damaged-${Date.now()}`);
      }
    } else if (await exists(folder)) {
      await Deno.remove(folder, { recursive: true }); // it ended before its first state was written
    }
    return await adapt(gpu, folder, await readInputs(options), events, signal);
  }

  /** Runs `work` on the device. Where that is lost or full, the next work gets a fresh one. */
  async #use<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const opened = this.#open();
    const session = await opened;
    try {
      return await Promise.race([work(session), session.lost]);
    } catch (error) {
      // Some calls fail before the device says that it was lost.
      await new Promise((resolve) => setTimeout(resolve, 0));
      const reason = session.gpu.loss;
      const isFull = error instanceof DeviceMemoryError && !(error instanceof DoesNotFitError);
      if (this.#session === opened && (reason || isFull)) {
        this.#session = null;
        session.close();
        if (reason) this.#lost++;
      }
      throw reason ?? error;
    }
  }

  #open(): Promise<Session> {
    if (!this.#session) {
      const opening = openSession(this.options);
      opening.catch(() => this.#session === opening && (this.#session = null));
      this.#session = opening;
    }
    return this.#session;
  }
}

async function openSession(
  { tuningFolder, cacheBytes, memoryBytes, keepAliveMs }: GpuOptions,
): Promise<Session> {
  const gpu = await Gpu.open(undefined, undefined, memoryBytes ?? undefined);
  await Tuning.of(gpu, tuningFolder);
  const cache = new AdaptedCache(gpu, cacheBytes);
  const clips = new ClipCache(gpu);
  const turns = new Turns();
  const lost = gpu.device.lost.then(() => {
    gpu.assertAlive();
    throw new DeviceLostError("Cannot use the GPU: the device was lost");
  });
  lost.catch(() => {}); // nobody may be waiting
  const spare = new Spare(gpu, turns, [clips, cache]);
  const unloading = keepAliveMs === null ? undefined : setInterval(
    () => spare.freeUnused(keepAliveMs),
    Math.min(keepAliveMs, CHECK_IDLE_MS),
  );
  return {
    ...{ gpu, cache, clips, spare, turns, lost },
    renderer: new Renderer(cache, spare, turns),
    close() {
      clearInterval(unloading);
      gpu.close();
    },
  };
}
