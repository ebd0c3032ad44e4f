import { useEffect, useState } from "preact/hooks";
import { place, setQuery } from "../place.ts";
import { say } from "../toast.ts";

const TYPES = ["image/png", "image/jpeg", "image/webp"];

/** Pictures to move towards: dropped, chosen, or those of an earlier adaptation. */
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

  function add(files: FileList | null) {
    const all = [...files ?? []];
    const pictures = all.filter(({ type }) => TYPES.includes(type));
    if (pictures.length < all.length) say("Only PNG, JPEG and WebP pictures can be a style");
    if (pictures.length === 0) return;
    setQuery({ style_from: null });
    onChange([...images, ...pictures]);
  }

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
      {place.value.query.has("style_from") && (
        <button
          type="button"
          class="chip"
          aria-label="Remove the pictures of before"
          onClick={() => setQuery({ style_from: null })}
        >
          the pictures of before ×
        </button>
      )}
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
