import { ask } from "./api.ts";
import { say } from "./toast.ts";

export type Format = "delta" | "safetensors" | "rosinality";

/** Saves the file of an adapted generator. A link could send no token. */
export async function download(id: string, format: Format, name: string): Promise<void> {
  try {
    const answer = await ask(`/v1/generators/${id}/download?format=${format}`);
    const url = URL.createObjectURL(await answer.blob());
    const link = document.createElement("a");
    link.href = url;
    link.download = `${name.replaceAll(/\W+/g, "-")}${
      format === "rosinality" ? ".pt" : ".safetensors"
    }`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  } catch (error) {
    say((error as Error).message);
  }
}
