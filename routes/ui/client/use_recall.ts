import { useEffect } from "preact/hooks";
import * as api from "./api.ts";
import { go } from "./place.ts";
import { placeOf, readAbout } from "./recall.ts";
import { say } from "./toast.ts";

/** Lets a picture that was drawn here be dropped anywhere on the page, to go on from it. */
export function useRecall(): void {
  useEffect(() => {
    const over = (event: DragEvent) => {
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
    };
    const drop = (event: DragEvent) => {
      const file = event.dataTransfer?.files[0];
      if (event.defaultPrevented || !file) return; // it was dropped on something that takes it
      event.preventDefault();
      recall(file).catch(({ message }) => say(message));
    };
    addEventListener("dragover", over);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", over);
      removeEventListener("drop", drop);
    };
  }, []);
}

async function recall(file: File): Promise<void> {
  const about = readAbout(await file.arrayBuffer());
  if (about === null) return say(`“${file.name}” does not say how it was drawn.`);
  const place = placeOf(about, await api.generators());
  if (place === null) return say(`The generator of “${file.name}” is not here.`);
  go(place);
}
