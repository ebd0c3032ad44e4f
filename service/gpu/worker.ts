/** Entry of the worker that has the GPU. */
import { serveCalls } from "../calls.ts";
import { GpuHost, type GpuOptions } from "./host.ts";

serveCalls((options: GpuOptions) => new GpuHost(options));
