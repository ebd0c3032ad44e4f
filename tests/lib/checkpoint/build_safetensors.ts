import { type Bytes, bytesOf, concat, fields, utf8 } from "./bytes.ts";

/** A safetensors file with this header, as JSON text or as the value to be written so. */
export function buildSafetensors(header: unknown, data: ArrayBufferView<ArrayBuffer>): Bytes {
  const json = utf8(typeof header === "string" ? header : JSON.stringify(header));
  return concat(fields([8, json.length]), json, bytesOf(data));
}

/** Float32 tensors as other programs write them: without checksums. */
export function foreignSafetensors(
  tensors: Iterable<
    readonly [string, { readonly shape: readonly number[]; readonly data: ArrayLike<number> }]
  >,
): Bytes {
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  const contents: Bytes[] = [];
  let at = 0;
  for (const [name, { shape, data }] of tensors) {
    const bytes = bytesOf(Float32Array.from(data));
    header[name] = { dtype: "F32", shape, data_offsets: [at, at += bytes.length] };
    contents.push(bytes);
  }
  return buildSafetensors(header, concat(...contents));
}
