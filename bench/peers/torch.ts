/** PyTorch on the same machine, in a process that answers one JSON line for each that it is given. */
import { UserError } from "../../lib/errors.ts";
import type { PeerWork, Timing } from "../subject.ts";

/** The plain form of the public code, and the one with the best settings. */
export const FORMS = ["eager", "best"] as const;
export type Form = typeof FORMS[number];

/** A case that the peer has ready. */
export interface PeerRun {
  readonly form: Form;
  /** Root mean square of the result. */
  readonly result: number;
  /** What could not be had, as in "not compiled: …". */
  readonly notes: readonly string[];
  /** Device memory, where it has some of its own. */
  readonly memory?: number;
  run(): Promise<Timing>;
  drop(): Promise<void>;
}

export class TorchPeer {
  #next = 0;

  private constructor(
    private readonly process: Deno.ChildProcess,
    private readonly writer: WritableStreamDefaultWriter<Uint8Array>,
    private readonly lines: AsyncIterator<string>,
    /** As in "PyTorch 2.13.0 on CPU, 2 threads". */
    readonly title: string,
  ) {}

  /** Starts `python3`; throws a UserError where that, or its PyTorch, is missing. */
  static async start(): Promise<TorchPeer> {
    let child: Deno.ChildProcess;
    try {
      child = new Deno.Command("python3", {
        args: [`${import.meta.dirname}/torch_peer.py`],
        stdin: "piped",
        stdout: "piped",
      }).spawn();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new UserError(
        "Cannot compare with PyTorch: there is no python3; install it, and torch",
      );
    }
    const lines = linesOf(child.stdout);
    const about = JSON.parse((await lines.next()).value ?? `{"error": "python3 gave no answer"}`);
    if (about.error) {
      await child.stdin.close();
      throw new UserError(`Cannot compare with PyTorch: ${about.error}`);
    }
    const title = `PyTorch ${about.torch} on ${about.device}`;
    return new TorchPeer(child, child.stdin.getWriter(), lines, title);
  }

  /** Does the work once, and has it ready to be done again. */
  async prepare({ work, tensors, read }: PeerWork, form: Form): Promise<PeerRun> {
    const id = this.#next++;
    const { result, notes, memory } = await this.#ask({
      command: "prepare",
      id,
      form,
      work,
      tensors,
      read,
    });
    return {
      form,
      result,
      notes,
      memory,
      run: () => this.#ask({ command: "run", id }),
      drop: async () => void await this.#ask({ command: "drop", id }),
    };
  }

  async stop(): Promise<void> {
    await this.writer.close();
    await this.process.status;
  }

  async #ask(request: Record<string, unknown>) {
    await this.writer.write(new TextEncoder().encode(`${JSON.stringify(request)}\n`));
    const { value, done } = await this.lines.next();
    const answer = done ? { error: "the process ended" } : JSON.parse(value);
    if (answer.error) throw new Error(`PyTorch could not do "${request.command}": ${answer.error}`);
    return answer;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}
