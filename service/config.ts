/** What the service is told at its start. */
import type { ModelPaths } from "./models.ts";

export interface ServiceConfig extends ModelPaths {
  /** Address and port to listen on. */
  readonly host: string;
  readonly port: number;
  /** Connections at a time; each takes a file descriptor. */
  readonly maxConnections: number;
  /** Folder of everything that is to be kept. */
  readonly data: string;
  /** Adaptations that may wait. */
  readonly maxQueued: number;
  /** Memory on the device for adapted generators, in bytes. */
  readonly gpuCacheBytes: number;
  /** Memory on the device that may be used; null for as much as there is. */
  readonly gpuMemoryBytes: number | null;
  /** How long a model that nobody uses stays on the device; null for ever. */
  readonly keepAliveMs: number | null;
  /** Memory of this process for images that were drawn, in bytes. */
  readonly imageCacheBytes: number;
  /** Origins whose pages may use the API, as in "https://app.example". */
  readonly corsOrigins: readonly string[];
  /** Whether /metrics answers without a token. */
  readonly metricsPublic: boolean;
  readonly webhooks: WebhookConfig;
  readonly logFormat: "text" | "json";
}

export interface WebhookConfig {
  readonly enabled: boolean;
  /** Signs what is sent; null to sign nothing. */
  readonly secret: string | null;
  /** Hosts that may have private addresses, as in "hooks.internal" or "127.0.0.1:9000". */
  readonly allow: readonly string[];
}

/** Addresses that only this machine reaches. */
const LOOPBACK = ["127.0.0.1", "localhost", "::1"];

export function isLoopback(host: string): boolean {
  return LOOPBACK.includes(host);
}
