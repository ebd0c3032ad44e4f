import type { Context } from "hono";

export interface FileAbout {
  readonly type: string;
  /** The name to save it under; shown where it is left out. */
  readonly saveAs?: string;
}

/** A file as it is, piece by piece. */
export async function sendFile(
  c: Context,
  path: string,
  { type, saveAs }: FileAbout,
): Promise<Response> {
  const file = await Deno.open(path);
  const { size } = await file.stat();
  return c.body(file.readable, 200, {
    "content-type": type,
    "content-length": String(size),
    ...saveAs && { "content-disposition": `attachment; filename="${saveAs}"` },
  });
}
