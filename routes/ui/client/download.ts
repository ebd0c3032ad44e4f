import { ask } from "./api.ts";
import { say } from "./toast.ts";

export type Format = "delta" | "safetensors" | "rosinality";

/** Saves the file of an adapted generator. A link could send no token. */
export async function download(id: string, format: Format, name: string): Promise<void> {
  const ending = format === "rosinality" ? "pt" : "safetensors";
  try {
    const answer = await ask(`/v1/generators/${id}/download?format=${format}`);
    save(await answer.blob(), `${name}.${ending}`);
  } catch (error) {
    say((error as Error).message);
  }
}

/** Lets the browser keep a file. What may not stand in a name becomes "-". */
export function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name.replaceAll(/[^\p{L}\p{N}.]+/gu, "-");
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
