/** Models on the Hugging Face Hub: which files of a repository are the model, and its licence. */
import { HubApiError, listFiles, modelInfo } from "@huggingface/hub";
import { UserError } from "../lib/errors.ts";
import type { PlannedFile, PullPlan } from "./pull.ts";

/** Files with weights, the first that is there counts. */
const WEIGHTS = [
  "model.safetensors",
  "open_clip_model.safetensors",
  "pytorch_model.bin",
  "open_clip_pytorch_model.bin",
];
/** What says how to read them. */
const CONFIGS = ["config.json", "open_clip_config.json"];

const PUBLIC_HUB = "https://huggingface.co";

/**
 * The files that "hf:owner/repo" or "hf:owner/repo/file" stands for. HF_ENDPOINT names another server
 * than Hugging Face's own, HF_TOKEN opens what it does not give to everybody. Throws a UserError.
 */
export async function huggingFacePlan(source: string): Promise<PullPlan> {
  const [, owner, name, file] = /^hf:([\w.-]+)\/([\w.-]+)(?:\/(.+))?$/.exec(source) ?? [];
  if (owner === undefined) {
    throw new UserError(`Cannot pull "${source}": write it as hf:owner/repo or hf:owner/repo/file`);
  }
  const repo = `${owner}/${name}`;
  const hubUrl = (Deno.env.get("HF_ENDPOINT") ?? PUBLIC_HUB).replace(/\/+$/, "");
  const accessToken = Deno.env.get("HF_TOKEN");
  const server = { hubUrl, ...accessToken !== undefined && { accessToken } };

  const found = new Map<string, Pick<PlannedFile, "sha256" | "sizeBytes">>();
  let licence: string | null;
  try {
    const info = await modelInfo({ name: repo, ...server, additionalFields: ["cardData"] });
    licence = [info.cardData?.license ?? []].flat().join(", ") || null;
    for await (const { type, path, size, lfs } of listFiles({ repo, recursive: true, ...server })) {
      // A path that ends in dots would be no file in our folder.
      if (type !== "file" || /(^|\/)\.*$/.test(path)) continue;
      found.set(path, { sha256: lfs?.oid ?? null, sizeBytes: size });
    }
  } catch (error) {
    throw refusal(source, error);
  }
  const wanted = file === undefined ? modelFiles(source, [...found.keys()]) : [file];
  const missing = wanted.find((path) => !found.has(path));
  if (missing !== undefined) {
    throw new UserError(
      `Cannot pull "${source}": the repository has no file "${missing}"; it has ` +
        some([...found.keys()]),
    );
  }
  return {
    name: source,
    source,
    licence,
    licenceUrl: `${hubUrl}/${repo}`,
    files: wanted.map((path) => ({
      name: path.split("/").at(-1)!,
      url: `${hubUrl}/${repo}/resolve/main/${path.split("/").map(encodeURIComponent).join("/")}`,
      ...found.get(path)!,
    })),
    headers: accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` },
  };
}

/** The weights of a repository with what belongs to them. */
function modelFiles(source: string, paths: readonly string[]): string[] {
  const weights = WEIGHTS.find((name) => paths.includes(name));
  if (weights !== undefined) return [...CONFIGS.filter((name) => paths.includes(name)), weights];
  throw new UserError(
    `Cannot pull "${source}": the repository has none of ${WEIGHTS.join(", ")}; name one of its ` +
      `files, as in ${source}/FILE: ${some(paths)}`,
  );
}

function some(paths: readonly string[]): string {
  const shown = paths.slice(0, 8).join(", ");
  return paths.length > 8 ? `${shown} and ${paths.length - 8} more` : shown || "none";
}

/** What the library throws, in words. */
function refusal(source: string, error: unknown): unknown {
  if (error instanceof Deno.errors.NotCapable) return error;
  if (error instanceof HubApiError) {
    const reason = error.statusCode === 404 || error.statusCode === 401
      ? "there is no such repository for everybody; check its name, or set HF_TOKEN"
      : `the server answers ${error.statusCode}; try again later`;
    return new UserError(`Cannot pull "${source}": ${reason}`, { cause: error });
  }
  const { message, cause } = error as Error;
  const reason = cause instanceof Error ? `${message}: ${cause.message}` : message;
  return new UserError(
    `Cannot pull "${source}": the hub gives no answer (${reason}); try again later, or name another ` +
      `with HF_ENDPOINT`,
    { cause: error },
  );
}
