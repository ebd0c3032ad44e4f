/** What the service is told at its start. */
import type { ModelPaths } from "./models.ts";

export interface ServiceConfig extends ModelPaths {
  /** Address and port to listen on. */
  readonly host: string;
  readonly port: number;
  /** Folder of everything that is to be kept. */
  readonly data: string;
  /** Adaptations that may wait. */
  readonly maxQueued: number;
  /** Memory on the device for adapted generators, in bytes. */
  readonly gpuCacheBytes: number;
  /** Memory of this process for images that were drawn, in bytes. */
  readonly imageCacheBytes: number;
}
