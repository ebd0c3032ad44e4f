import assert from "node:assert/strict";
import { encodePng } from "../../lib/image/mod.ts";
import { ImageHost } from "../../service/images/host.ts";

Deno.test("decode() takes files of up to 20 MB, and names the one that is larger", async () => {
  const png = encodePng({ width: 2, height: 1, channels: 3, data: new Uint8Array(6) });
  /** What stands behind the end of a PNG is nobody's business. */
  const padded = (length: number) => {
    const bytes = new Uint8Array(length);
    bytes.set(png);
    return bytes;
  };
  const host = new ImageHost();
  const [decoded] = await host.decode({ files: [{ name: "a.png", bytes: padded(20e6) }] });
  assert.deepEqual([decoded!.width, decoded!.height], [2, 1]);
  const files = [{ name: "a.png", bytes: png }, { name: "b.png", bytes: padded(21e6) }];
  await assert.rejects(host.decode({ files }), {
    code: "too_large",
    message: 'Cannot take "b.png": it has 21.0 MB, the limit is 20 MB; save it smaller',
  });
});
