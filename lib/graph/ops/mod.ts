/** Every op; importing this registers them all. */
export * from "./elementwise.ts";
export * from "./reduce.ts";
export * from "./shape.ts";
