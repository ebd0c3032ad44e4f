import { type Bytes, bytesOf, concat, fields, utf8 } from "./bytes.ts";

/** A safetensors file with this header, as JSON text or as the value to be written so. */
export function buildSafetensors(header: unknown, data: ArrayBufferView<ArrayBuffer>): Bytes {
  const json = utf8(typeof header === "string" ? header : JSON.stringify(header));
  return concat(fields([8, json.length]), json, bytesOf(data));
}
