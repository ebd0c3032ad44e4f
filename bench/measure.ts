/** Timing: what is compared takes turns, and the shortest run counts. */
import process from "node:process";
import type { Peak } from "./peak.ts";
import { type Form, FORMS, type PeerRun, type TorchPeer } from "./peers/torch.ts";
import type { KernelTime, Subject, Timing } from "./subject.ts";
import type { Work } from "./work.ts";

const MIN_ROUNDS = 3;
const MAX_ROUNDS = 25;
/** No round begins after so many seconds, beyond the first few. */
const SECONDS = 4;

/** Results that are further apart are not of the same work; TF32 has 10 bits. */
const AGREEMENT = 0.01;

export interface PeerResult {
  readonly form: Form;
  readonly ms: number;
  /** Its time by ours: above 1 where we are faster. */
  readonly ratio: number;
  /**
   * The same of processor time, which a busy machine changes less; null where a GPU computes, and for
   * kernels, whose time has nothing of the host's in it.
   */
  readonly cpuRatio: number | null;
  readonly memoryBytes: number | undefined;
  readonly notes: readonly string[];
}

export interface Result {
  readonly section: string;
  readonly name: string;
  readonly rounds: number;
  readonly ms: number;
  /** Of all processors together. */
  readonly cpuMs: number;
  readonly work: Work | null;
  /** What the work would take at the adapter's peak of arithmetic, and of memory. */
  readonly floors: { readonly arithmeticMs: number; readonly memoryMs: number } | null;
  readonly memoryBytes: number | null;
  readonly imagesPerSecond: number | null;
  readonly kernels: readonly KernelTime[] | null;
  readonly peers: readonly PeerResult[];
}

export interface Means {
  readonly peak: Peak | null;
  readonly torch: TorchPeer | null;
  /** Whether to time kernel by kernel as well. */
  readonly kernels: boolean;
  /** Whether the adapter is a CPU. */
  readonly isCpu: boolean;
}

export async function measure(
  { section, name }: Pick<Result, "section" | "name">,
  subject: Subject,
  { peak, torch, kernels, isCpu }: Means,
): Promise<Result> {
  const peers = torch && subject.peer ? await preparePeers(torch, name, subject) : [];
  const start = performance.now();
  const runs = [() => timed(subject), ...peers.map((peer) => () => peer.run())];
  const best = runs.map((): Timing => ({ seconds: Infinity, cpu: Infinity }));
  let rounds = 0;
  while (
    rounds < MIN_ROUNDS || (rounds < MAX_ROUNDS && performance.now() < start + 1e3 * SECONDS)
  ) {
    rounds++;
    for (const [i, run] of runs.entries()) {
      const { seconds, cpu } = await run();
      const { [i]: so } = best;
      best[i] = { seconds: Math.min(so!.seconds, seconds), cpu: Math.min(so!.cpu, cpu) };
    }
  }
  for (const peer of peers) await peer.drop();
  const [{ seconds, cpu }, ...theirs] = best as [Timing, ...Timing[]];
  const { work, images } = subject;
  return {
    section,
    name,
    rounds,
    ms: 1e3 * seconds,
    cpuMs: 1e3 * cpu,
    work,
    floors: work && peak && {
      arithmeticMs: 1e3 * work.operations / peak.operations,
      memoryMs: 1e3 * work.bytes / peak.bytes,
    },
    memoryBytes: subject.memoryBytes,
    imagesPerSecond: images === undefined ? null : images / seconds,
    kernels: kernels ? await subject.byKernel?.() ?? null : null,
    peers: peers.map(({ form, memory, notes }, i) => ({
      form,
      ms: 1e3 * theirs[i]!.seconds,
      ratio: theirs[i]!.seconds / seconds,
      cpuRatio: isCpu && !subject.deviceOnly ? theirs[i]!.cpu / cpu : null,
      memoryBytes: memory,
      notes,
    })),
  };
}

/** One run, with the time that all of this process's threads, the software adapter's too, worked. */
async function timed(subject: Subject): Promise<Timing> {
  const before = process.cpuUsage();
  const seconds = await subject.run();
  const { user, system } = process.cpuUsage(before);
  return { seconds, cpu: (user + system) / 1e6 };
}

/** Every form of the same work. Throws where a result differs from ours. */
async function preparePeers(
  torch: TorchPeer,
  name: string,
  { peer }: Subject,
): Promise<PeerRun[]> {
  const peers: PeerRun[] = [];
  for (const form of FORMS) {
    const run = await torch.prepare(peer!, form);
    const { result } = peer!;
    if (result !== null && !(Math.abs(run.result - result) <= AGREEMENT * Math.abs(result))) {
      throw new Error(
        `Cannot compare "${name}" with PyTorch (${form}): it gives ${run.result}, nada ${result}`,
      );
    }
    peers.push(run);
  }
  return peers;
}
