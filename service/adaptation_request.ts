/** What a client may ask an adaptation to be. Models go by their registered names, never by paths. */
import { z } from "@hono/zod-openapi";
import { FROZEN_ADAM } from "../models/nada/adam_clock.ts";
import { AUGMENTATIONS } from "../models/nada/augmentation.ts";
import { LR_SCHEDULES } from "../models/nada/learning_rate.ts";
import { DIRECTION_DISTANCES } from "../models/nada/losses/mod.ts";
import { STOP_RULES } from "../models/nada/options.ts";
import { PHASE_NAMES, TRAIN_PARAMS } from "../models/nada/trained_layers.ts";

export const MAX_STEPS = 10_000;

/** Of a registered model. */
export const ModelName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/i).openapi({
  example: "demo",
});

/** Of an adaptation, and of the generator that it makes. */
export const AdaptationId = z.uuid().toLowerCase().openapi({
  example: "0b9f3c1e-5d1a-4d0e-9c58-0e8f3b7f2d11",
});

const Text = z.string().trim().min(1).max(300);
const Weight = z.number().min(0).max(1e6);

const Target = z.strictObject({ text: Text, weight: z.number().positive().max(1e6).default(1) });
const ClipChoice = z.strictObject({ name: ModelName, weight: Weight.default(1) });

/** What people call it. */
export const Name = z.string().trim().min(1).max(100);

export const AdaptationRequest = z.strictObject({
  name: Name.optional().openapi({ description: "What people call it; it can be changed later." }),
  source: Text.optional().openapi({
    description: "What the generator draws now. Needed unless style images alone are the target.",
    example: "photo",
  }),
  target: z.union([Text, z.array(Target).min(1).max(8)]).optional().openapi({
    description:
      "What it is to draw: a text, or several that share the direction by their weights.",
    example: "sketch",
  }),
  generator: ModelName.default("demo").openapi({ description: "A registered base generator." }),
  class: z.int().min(0).optional().openapi({
    description: "The class of its images to adapt, where they are of classes.",
  }),
  start_from: AdaptationId.optional().openapi({
    description: "An earlier adaptation of the same generator to go on from.",
  }),
  style_from: AdaptationId.optional().openapi({
    description: "An earlier adaptation whose pictures are to be the target again.",
  }),
  clip: z.union([ModelName, z.array(ClipChoice).min(1).max(4)]).default("demo").openapi({
    description: "The registered CLIP model that judges, or several with weights.",
  }),
  steps: z.int().min(1).max(MAX_STEPS).optional(),
  batch: z.int().min(1).max(32).optional(),
  lr: z.number().positive().max(1).optional(),
  lr_schedule: z.enum(LR_SCHEDULES).optional().openapi({
    description: "The learning rate over the run: as it is, or falling to 0 along a cosine.",
  }),
  seed: z.int().min(0).max(2 ** 32 - 1).optional(),
  noise: z.enum(["random", "const", "none"]).optional(),
  mixing: z.number().min(0).max(1).optional(),
  augmentation: z.enum(AUGMENTATIONS).optional(),
  text_weight: z.number().min(0).max(1).optional(),
  lambdas: z.strictObject({
    direction: Weight,
    global: Weight,
    patch: Weight,
    manifold: Weight,
  }).partial().optional().openapi({ description: "Weights of the parts of the loss." }),
  direction_loss: z.enum(DIRECTION_DISTANCES).optional(),
  frozen_adam: z.enum(FROZEN_ADAM).optional(),
  auto_layers: z.strictObject({
    count: z.int().min(1).max(64),
    iterations: z.int().min(1).max(100).default(1),
    batch: z.int().min(1).max(64).default(8),
    every: z.int().min(1).max(MAX_STEPS).default(1),
  }).optional().openapi({ description: "Choose so many layers for each step." }),
  phase: z.enum(PHASE_NAMES).optional(),
  train_layers: z.array(z.string().max(40)).min(1).max(64).optional(),
  train_params: z.enum(TRAIN_PARAMS).optional().openapi({
    description:
      "What of the layers: all of it, the affine layers of their styles, or one shift a style channel.",
  }),
  stop_on: z.enum(STOP_RULES).optional(),
  preview_every: z.int().min(0).max(MAX_STEPS).optional().openapi({
    description: "Steps between grids of the same latents before and after.",
  }),
  preview_count: z.int().min(1).max(32).optional(),
  preview_truncation: z.number().min(-2).max(2).optional(),
  priority: z.int().min(-10).max(10).default(0).openapi({
    description: "Higher ones are started first.",
  }),
  webhook: z.strictObject({
    url: z.url({ protocol: /^https?$/ }).max(2000),
    events: z.array(z.enum(["started", "progress", "completed"])).min(1).default(["completed"]),
  }).optional().openapi({ description: "Where to tell of what becomes of it." }),
}).openapi("AdaptationRequest");
export type AdaptationRequest = z.infer<typeof AdaptationRequest>;
