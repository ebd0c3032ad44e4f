/** What the service answers, as far as the page reads it. */
export interface Target {
  readonly text: string;
  readonly weight: number;
}

export interface AdaptationRequest {
  readonly name?: string;
  readonly source?: string;
  readonly target?: string | readonly Target[];
  readonly generator: string;
  readonly clip: string | readonly { readonly name: string; readonly weight: number }[];
  readonly steps: number;
  readonly [option: string]: unknown;
}

export type State =
  | "queued"
  | "starting"
  | "processing"
  | "succeeded"
  | "failed"
  | "canceled"
  | "interrupted";

export interface Adaptation {
  readonly id: string;
  readonly state: State;
  readonly request: AdaptationRequest;
  readonly style_images: number;
  readonly progress: {
    readonly step: number;
    readonly steps: number;
    readonly loss: number | null;
    readonly steps_per_second: number | null;
    readonly eta_seconds: number | null;
  };
  readonly queue_position: number | null;
  readonly created_at: string;
  readonly started_at: string | null;
  readonly finished_at: string | null;
  readonly error: { readonly code: string; readonly detail: string } | null;
  readonly generator: string | null;
}

export interface Generator {
  readonly id: string;
  readonly kind: "base" | "adapted";
  readonly base: string;
  /** What people call it. */
  readonly name: string | null;
  readonly resolution: number;
  /** Layers that can have a style each. */
  readonly w_count: number;
  /** Kinds of images to choose from; 0 for none. */
  readonly classes: number;
  /** The kind that was adapted; null where there are none, and for a base. */
  readonly class: number | null;
  readonly sha256: string | null;
  /** Of its file; null where that is gone. */
  readonly size_bytes: number | null;
  readonly source: string | null;
  readonly target: string | readonly Target[] | null;
  readonly created_at: string | null;
}

export interface ClipModel {
  readonly name: string;
  readonly image_size: number;
}

/** A step as it is told while a run goes on. */
export interface Step {
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
  readonly parts?: Readonly<Record<string, number>>;
  readonly layers: readonly string[];
  readonly steps_per_second: number | null;
  readonly eta_seconds: number | null;
}

export interface Preview {
  readonly step: number;
  readonly url: string;
}
