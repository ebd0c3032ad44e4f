import type { CanvasKit, TypefaceFontProvider } from "canvaskit-wasm";

export interface Library {
  kit: CanvasKit;
  fonts: TypefaceFontProvider;
}

let library: Promise<Library> | undefined;

/**
 * The drawing library in the build that also encodes JPEG and WebP, 8 MB of WebAssembly, and the fonts. They are loaded by the first call, out of
 * bytes that are imported like code: no permission is needed.
 */
export function loadCanvasKit(): Promise<Library> {
  return library ??= load();
}

async function load(): Promise<Library> {
  const [canvaskit, wasm, regular, bold] = await Promise.all([
    import("canvaskit-wasm/bin/full/canvaskit.js"),
    import("canvaskit-wasm/bin/full/canvaskit.wasm", { with: { type: "bytes" } }),
    import("@expo-google-fonts/inter/400Regular/Inter_400Regular.ttf", {
      with: { type: "bytes" },
    }),
    import("@expo-google-fonts/inter/600SemiBold/Inter_600SemiBold.ttf", {
      with: { type: "bytes" },
    }),
  ]);
  // The package's types know neither that its CommonJS module is the function itself nor
  // `wasmBinary`, without which it reads the file. Versions after 0.40 always read the file.
  const init = canvaskit.default as unknown as (
    options: { wasmBinary: Uint8Array },
  ) => Promise<CanvasKit>;
  const kit = await init({ wasmBinary: wasm.default });
  const fonts = kit.TypefaceFontProvider.Make();
  for (const font of [regular, bold]) fonts.registerFont(font.default, "Inter");
  return { kit, fonts };
}
