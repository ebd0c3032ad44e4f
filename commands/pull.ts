import type { Command } from "commander";
import { modelPath, type ModelRecord } from "../models/store.ts";
import { planPull, pullModel, type PullPlan } from "../models/pull.ts";
import { findModel } from "../models/store.ts";
import { formatBytes, printable } from "./layout.ts";
import { Progress } from "./progress.ts";

interface Flags {
  readonly sha256?: string;
  readonly name?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const NOTES = `
nada models lists the names. A pulled model goes by its name wherever a model is
asked for: --generator ffhq --clip ViT-B/32. What breaks off is gone on with by
the same command. Models are kept in --models-dir, else NADA_MODELS, else
~/.cache/nada/models; with --models-dir, other commands need it as well.

HF_TOKEN opens what Hugging Face does not give to everybody, HF_ENDPOINT names
another server.

Examples:
  nada pull ffhq
  nada pull ViT-B/32
  nada pull hf:openai/clip-vit-base-patch32
  nada pull https://example.org/model.pt --sha256 2c26b46b68ffc68f… --name mine
`;

/** See CommandModule. */
export function register(command: Command): void {
  command
    .argument("<model>", "a name, hf:owner/repo, hf:owner/repo/file, or an address")
    .option("--sha256 <hex>", "what the file at an address has to be")
    .option("--name <name>", "what to call it (default: its own name)")
    .option("--json", "print what was brought as JSON")
    .option("--quiet", "no progress and no report")
    .addHelpText("after", NOTES)
    .action((source: string, flags: Flags) => run(source, flags));
}

async function run(source: string, { sha256, name, json, quiet }: Flags): Promise<void> {
  const plan = await planPull({ source, name: name ?? null, sha256: sha256 ?? null });
  const isNew = findModel(plan.name) === null;
  if (isNew && !quiet) console.error(`${licenceLine(plan)}\n${sizeLine(plan)}`);
  using progress = quiet || !isNew ? null : new Bar();
  const record = await pullModel(plan, {
    onProgress: (done, total) => progress?.update(done, total),
    onRetry: (reason) => quiet || console.error(`\n${reason}; trying again`),
  });
  progress?.[Symbol.dispose]();
  if (json) console.log(JSON.stringify({ ...record, path: modelPath(record) }));
  else if (!quiet) console.log(reportLines(record, isNew).join("\n"));
}

/** Shown before the first byte comes. */
function licenceLine({ licence, licenceUrl, source }: PullPlan): string {
  if (licence === null) {
    return `Licence  not stated${licenceUrl === null ? "" : ` at ${licenceUrl}`}; ask whoever ` +
      `publishes ${printable(source)}`;
  }
  return `Licence  ${printable(licence)}${licenceUrl === null ? "" : `, ${printable(licenceUrl)}`}`;
}

function sizeLine({ files }: PullPlan): string {
  const sizes = files.map(({ sizeBytes }) => sizeBytes);
  const stated = sizes.filter((size) => size !== null);
  if (stated.length < sizes.length) return "Size     not stated";
  const bytes = stated.reduce((sum, size) => sum + size, 0);
  return `Size     ${formatBytes(bytes)}${files.length === 1 ? "" : ` in ${files.length} files`}`;
}

function reportLines(record: ModelRecord, isNew: boolean): string[] {
  const { name, kind, files } = record;
  const bytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const use = { generator: `--generator "${name}"`, clip: `--clip "${name}"`, unknown: null }[kind];
  return [
    `${isNew ? "Pulled   " : "Here     "}${modelPath(record)} (${formatBytes(bytes)})`,
    use ? `Use      ${use}` : "Use      none: nada does not know what kind of model it is",
  ];
}

/** Progress of one file after the other, each of a size of its own. */
class Bar implements Disposable {
  #progress: Progress | null = null;
  #total: number | null = null;
  #shown = 0;

  update(done: number, total: number | null): void {
    if (total === null) return;
    const whole = Math.max(1, Math.ceil(total / 2 ** 20));
    const mib = done === total ? whole : Math.floor(done / 2 ** 20);
    if (this.#total !== total) {
      this.#progress?.[Symbol.dispose]();
      this.#progress = new Progress({ total: whole, done: mib, unit: "MiB" });
      this.#total = total;
    } else if (mib !== this.#shown) this.#progress!.update(mib);
    this.#shown = mib;
  }

  [Symbol.dispose](): void {
    this.#progress?.[Symbol.dispose]();
    this.#progress = null;
  }
}
