import type { Facts } from "./fact_types.ts";

/** What came with the document. */
export const facts: Facts = JSON.parse(document.getElementById("facts")!.textContent!);
