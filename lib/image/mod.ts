export { lossChart, type LossSeries } from "./chart.ts";
export { balancedRows, type GridCell, type GridLabels, imageGrid } from "./grid.ts";
export { paste, type RgbaImage, type RgbImage } from "./image.ts";
export { decodeImage } from "./decode.ts";
export { type DecodedPng, decodePng, encodePng, MAX_PIXELS } from "./png.ts";
export { steppedStrip, STRIP_IMAGES } from "./stepped_strip.ts";
export { clipPreprocess, resizeBicubic } from "./resize_pil.ts";
export { imagesFromTensor, type ImageTensor, tensorFromImages } from "./tensor.ts";
export { hasSignature as isPng } from "./png_chunks.ts";
