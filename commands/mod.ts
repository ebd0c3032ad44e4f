import type { Command } from "commander";

/**
 * What a command's file exports. `commands/<name>.ts` is imported only when its command is called,
 * so it may import what it likes without slowing the others down.
 *
 *     export function register(command: Command): void {
 *       command.argument("<file>").option("-o, --out <path>", "…").action(inspect);
 *     }
 *
 * - `command` already carries its name and summary; add arguments, options and one action.
 * - The action checks what the user gave and throws a UserError for it (one line, exit code 2); it
 *   may be async. An action that returns has succeeded; one that has reported trouble itself sets
 *   `Deno.exitCode`. It never calls `Deno.exit`: what comes after it, main.ts does.
 * - Results go to stdout, progress and warnings to stderr.
 * - The option that says where to write is `-o, --out <path>`.
 */
export interface CommandModule {
  register(command: Command): void;
}

/** One line of `nada --help`, and where the rest is found when it is needed. */
export interface CommandEntry {
  name: string;
  /** What other programs call it. */
  alias?: string;
  summary: string;
  /** Whether it uses the network; others give the permission up, whoever gave it. */
  network?: true;
  load(): Promise<CommandModule>;
}

/** Every command, in the order of the help text. */
export const commands: CommandEntry[] = [
  {
    name: "adapt",
    summary: "adapt a generator from two texts",
    load: () => import("./adapt.ts"),
  },
  {
    name: "pick",
    summary: "go back to an earlier step of a run",
    load: () => import("./pick.ts"),
  },
  {
    name: "presets",
    summary: "list the recipes for nada adapt --preset",
    load: () => import("./presets.ts"),
  },
  {
    name: "sample",
    alias: "render",
    summary: "draw images from seeds or latents",
    load: () => import("./sample.ts"),
  },
  {
    name: "eval",
    summary: "figures of an adaptation: direction, diversity, what was kept",
    load: () => import("./eval.ts"),
  },
  {
    name: "clip",
    summary: "features of images and texts, and how similar they are",
    load: () => import("./clip.ts"),
  },
  {
    name: "inspect",
    alias: "show",
    summary: "say what a model file is and what it holds",
    load: () => import("./inspect.ts"),
  },
  {
    name: "export",
    summary: "write a generator, adapted or not, for other programs",
    load: () => import("./export.ts"),
  },
  {
    name: "convert",
    summary: "write a model in another format",
    load: () => import("./convert.ts"),
  },
  {
    name: "diff",
    summary: "which layers of two models differ, and by how much",
    load: () => import("./diff.ts"),
  },
  {
    name: "pull",
    summary: "bring public models: by name, from Hugging Face, by address",
    network: true,
    load: () => import("./pull.ts"),
  },
  {
    name: "models",
    alias: "list",
    summary: "list models that are here or can be pulled; remove some",
    load: () => import("./models.ts"),
  },
  {
    name: "rm",
    summary: "remove pulled models",
    load: () => import("./rm.ts"),
  },
  {
    name: "demo",
    summary: "list what the built-in demo can be adapted to, and how well",
    load: () => import("./demo.ts"),
  },
  {
    name: "doctor",
    summary: "show what this machine offers and what is missing",
    load: () => import("./doctor.ts"),
  },
  {
    name: "tune",
    summary: "measure which kernels are the fastest on this machine",
    load: () => import("./tune.ts"),
  },
  {
    name: "serve",
    summary: "the HTTP service: adaptations as jobs, images from them",
    network: true,
    load: () => import("./serve.ts"),
  },
  {
    name: "ps",
    summary: "what a running service works on, and what is on its device",
    network: true,
    load: () => import("./ps.ts"),
  },
  {
    name: "token",
    summary: "who may use the service: add, list, revoke",
    load: () => import("./token.ts"),
  },
];
