/** Calls into a worker, with events on the way, cancellation, and errors that keep their code. */
import { type Failure, failureOf, ServiceError } from "./failure.ts";

/** What a method is given besides its arguments. */
export interface CallContext {
  /** Aborted when the caller no longer wants the result. */
  readonly signal: AbortSignal;
  /** Tells the caller something before the result is there. */
  emit(event: unknown): void;
}

// Methods of all kinds go through here, and only a loose type can name them all.
// deno-lint-ignore no-explicit-any
export type Methods<M> = { [K in keyof M]: (args: any, context: CallContext) => Promise<unknown> };

type ArgsOf<M, K extends keyof M> = M[K] extends (args: infer A, ...rest: never[]) => unknown ? A
  : never;
type ResultOf<M, K extends keyof M> = M[K] extends (...args: never[]) => Promise<infer R> ? R
  : never;

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: unknown) => void;
  /** Buffers that move instead of being copied. */
  readonly transfer?: Transferable[];
}

/** Another thread, or this one, that does what is asked of it. */
export interface Remote<M> {
  call<K extends keyof M & string>(
    method: K,
    args: ArgsOf<M, K>,
    options?: CallOptions,
  ): Promise<ResultOf<M, K>>;
}

type ToWorker =
  /** The first message. */
  | { readonly init: unknown }
  | { readonly id: number; readonly method: string; readonly args: unknown }
  | { readonly id: number; readonly abort: true };

type FromWorker =
  | { readonly id: number; readonly event: unknown }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly failure: Failure };

/** To be called by a worker: answers what comes to it with the methods that `create` makes. */
export function serveCalls<M, Init>(create: (init: Init) => M & Methods<M>): void {
  const port = self as unknown as DedicatedWorker;
  const running = new Map<number, AbortController>();
  let methods: M & Methods<M>;
  port.addEventListener("message", async ({ data }: MessageEvent<ToWorker>) => {
    if ("init" in data) return void (methods = create(data.init as Init));
    const { id } = data;
    if ("abort" in data) return running.get(id)?.abort();
    const stop = new AbortController();
    running.set(id, stop);
    const emit = (event: unknown) => port.postMessage({ id, event });
    try {
      const method = methods[data.method as keyof M];
      const result = await method.call(methods, data.args, { signal: stop.signal, emit });
      port.postMessage({ id, result }, { transfer: buffersIn(result) });
    } catch (error) {
      const { code, detail } = failureOf(error);
      if (code === "internal") console.error(error);
      port.postMessage({ id, failure: { code, detail } });
    } finally {
      running.delete(id);
    }
  });
}

/** What a worker sees as `self`. */
interface DedicatedWorker {
  postMessage(message: FromWorker, options?: StructuredSerializeOptions): void;
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
}

interface Pending {
  resolve(result: unknown): void;
  reject(error: Error): void;
  onEvent?: ((event: unknown) => void) | undefined;
}

/** A worker, started by the first call, and anew by the next one should it have died. */
export class WorkerRemote<M> implements Remote<M>, Disposable {
  #worker: Worker | null = null;
  #lastId = 0;
  readonly #pending = new Map<number, Pending>();

  /** `create` starts the worker's file, which calls `serveCalls`, and `init` is what it is given. */
  constructor(private readonly create: () => Worker, private readonly init: unknown) {}

  call<K extends keyof M & string>(
    method: K,
    args: ArgsOf<M, K>,
    { signal, onEvent, transfer = [] }: CallOptions = {},
  ): Promise<ResultOf<M, K>> {
    const id = ++this.#lastId;
    const worker = this.#worker ??= this.#start();
    const abort = () => worker.postMessage({ id, abort: true } satisfies ToWorker);
    const result = new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, onEvent });
      worker.postMessage({ id, method, args } satisfies ToWorker, { transfer });
      signal?.addEventListener("abort", abort);
      if (signal?.aborted) abort();
    });
    return result.finally(() => signal?.removeEventListener("abort", abort)) as Promise<
      ResultOf<M, K>
    >;
  }

  /** Ends the worker. One that has used the GPU is better left to the end of the process. */
  [Symbol.dispose](): void {
    this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = this.create();
    worker.postMessage({ init: this.init } satisfies ToWorker);
    worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
      const pending = this.#pending.get(data.id);
      if (!pending) return;
      if ("event" in data) return pending.onEvent?.(data.event);
      this.#pending.delete(data.id);
      if ("result" in data) pending.resolve(data.result);
      else pending.reject(new ServiceError(data.failure.code, data.failure.detail));
    });
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      console.error(`A worker ended: ${event.message}`);
      worker.terminate();
      const lost = [...this.#pending.values()];
      this.#pending.clear();
      this.#worker = null;
      lost.forEach(({ reject }) =>
        reject(new ServiceError("device_lost", `A worker ended: ${event.message}`))
      );
    });
    return worker;
  }
}

/** The methods called in this thread: for programs that have the GPU to themselves. */
export class LocalRemote<M> implements Remote<M> {
  constructor(private readonly methods: M & Methods<M>) {}

  async call<K extends keyof M & string>(
    method: K,
    args: ArgsOf<M, K>,
    { signal = new AbortController().signal, onEvent = () => {} }: CallOptions = {},
  ): Promise<ResultOf<M, K>> {
    return await this.methods[method]!(args, { signal, emit: onEvent }) as ResultOf<M, K>;
  }
}

/** Memory of typed arrays anywhere in a result, which can move to the caller. */
function buffersIn(value: unknown, found = new Set<ArrayBuffer>()): ArrayBuffer[] {
  if (ArrayBuffer.isView(value)) {
    if (value.buffer instanceof ArrayBuffer) found.add(value.buffer);
  } else if (typeof value === "object" && value !== null) {
    for (const part of Object.values(value)) buffersIn(part, found);
  }
  return [...found];
}
