/** Entry of the worker that encodes and decodes images. */
import { serveCalls } from "../calls.ts";
import { ImageHost } from "./host.ts";

serveCalls(() => new ImageHost());
