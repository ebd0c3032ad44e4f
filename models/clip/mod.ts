/** CLIP: texts and images to features of one space. */
export type { Architecture } from "./architecture.ts";
export { Clip, type ImageBatch, type ImageTower, imageTower } from "./clip.ts";
export type { ImageStages } from "./image.ts";
export { preprocess, type ResizeVariant } from "./preprocess.ts";
export { fillTemplates, parseTemplates } from "./templates.ts";
export { type ClipFile, findWeights, openClipFile } from "./weights.ts";
