import assert from "node:assert/strict";
import { mesaVersion, nvidiaVersion } from "../../../lib/gpu/driver.ts";

Deno.test("mesaVersion() finds the version between other text of a library", () => {
  assert.equal(mesaVersion("\0lvp25.0.7-2~bpo12+1Mesa 25.0.7-2~bpo12+1 (LLVM 15.0\0"), "25.0.7");
  assert.equal(mesaVersion("Mesa GL_VENDOR = %s\0Mesa 22.3.6%s"), "22.3.6");
  assert.equal(mesaVersion("Mesa project"), undefined);
});

Deno.test("nvidiaVersion() reads the library's full name, not its link's", () => {
  const files = ["libc.so.6", "libGLX_nvidia.so.0", "libGLX_nvidia.so.550.54.15"];
  assert.equal(nvidiaVersion(files), "550.54.15");
  assert.equal(nvidiaVersion(["libGLX_nvidia.so.0"]), undefined);
});
