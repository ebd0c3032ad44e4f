import { useEffect, useState } from "preact/hooks";

const TYPES = ["image/png", "image/jpeg", "image/webp"];

/** Pictures to move towards: dropped, or chosen. */
export function StyleImages(
  { images, onChange }: {
    images: readonly File[];
    onChange: (images: readonly File[]) => void;
  },
) {
  const [isOver, setOver] = useState(false);
  const [urls, setUrls] = useState<readonly string[]>([]);
  useEffect(() => {
    const made = images.map((image) => URL.createObjectURL(image));
    setUrls(made);
    return () => made.forEach((url) => URL.revokeObjectURL(url));
  }, [images]);
  const add = (files: FileList | null) =>
    onChange([...images, ...[...files ?? []].filter(({ type }) => TYPES.includes(type))]);

  return (
    <div
      class="drop"
      data-over={isOver || undefined}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        add(event.dataTransfer?.files ?? null);
      }}
    >
      <label class="file">
        <span>Style pictures</span> instead of a text: drop some here, or choose
        <input
          type="file"
          multiple
          accept={TYPES.join()}
          onChange={(event) => {
            add(event.currentTarget.files);
            event.currentTarget.value = "";
          }}
        />
      </label>
      {images.map(({ name }, i) => (
        <button
          key={`${name}${i}`}
          type="button"
          class="thumb"
          aria-label={`Remove ${name}`}
          onClick={() => onChange(images.filter((_, other) => other !== i))}
        >
          {urls[i] && <img src={urls[i]} alt="" />}
        </button>
      ))}
    </div>
  );
}
