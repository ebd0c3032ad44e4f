/** Faces that are dragged and dropped, by their seeds. */
const TYPE = "application/x-nada-seed";

/** Attributes of a face that can be dragged. */
export const dragged = (seed: number) => ({
  draggable: true,
  onDragStart: ({ dataTransfer }: DragEvent) => dataTransfer!.setData(TYPE, String(seed)),
});

/** Attributes of what a face can be dropped on. */
export const takeDropped = (take: (seed: number) => void) => ({
  onDragOver: (event: DragEvent) => {
    if (!event.dataTransfer!.types.includes(TYPE)) return;
    event.preventDefault();
    (event.currentTarget as HTMLElement).dataset.over = "";
  },
  onDragLeave: ({ currentTarget }: DragEvent) => delete (currentTarget as HTMLElement).dataset.over,
  onDrop: (event: DragEvent) => {
    event.preventDefault();
    delete (event.currentTarget as HTMLElement).dataset.over;
    const seed = event.dataTransfer!.getData(TYPE);
    if (seed !== "") take(Number(seed));
  },
});
