import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../api.ts";
import { say } from "../toast.ts";

/** Another name for an adaptation; an empty one is none. */
export function NameForm(
  { id, name, otherwise, onDone }: {
    id: string;
    name: string | null;
    /** What it is called without a name. */
    otherwise: string;
    onDone: (changed: boolean) => void;
  },
) {
  const input = useRef<HTMLInputElement>(null);
  const [value, setValue] = useState(name ?? "");
  useEffect(() => input.current!.select(), []);

  async function save(event: Event) {
    event.preventDefault();
    try {
      await api.rename(id, value.trim() || null);
      onDone(true);
    } catch (error) {
      say((error as Error).message);
    }
  }

  return (
    <form
      class="name-form"
      onSubmit={save}
      onKeyDown={(event) => event.key === "Escape" && onDone(false)}
    >
      <input
        ref={input}
        aria-label="Name"
        maxLength={100}
        placeholder={otherwise}
        value={value}
        onInput={(event) => setValue(event.currentTarget.value)}
      />
      <button type="submit" class="main">Save</button>
      <button type="button" onClick={() => onDone(false)}>Cancel</button>
    </form>
  );
}
