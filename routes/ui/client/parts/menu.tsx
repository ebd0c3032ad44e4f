import { type ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

/** A button with choices behind it. Escape, a click elsewhere, or choosing closes it. */
export function Menu({ label, children }: { label: string; children: ComponentChildren }) {
  const menu = useRef<HTMLDetailsElement>(null);
  const close = () => menu.current!.open = false;
  useEffect(() => {
    const closeElsewhere = ({ target }: Event) => menu.current!.contains(target as Node) || close();
    for (const event of ["pointerdown", "focusin"]) addEventListener(event, closeElsewhere);
    return () => {
      for (const event of ["pointerdown", "focusin"]) removeEventListener(event, closeElsewhere);
    };
  }, []);
  return (
    <details
      class="menu"
      ref={menu}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        close();
        menu.current!.querySelector("summary")!.focus();
      }}
    >
      <summary>{label}</summary>
      <ul onClick={close}>{children}</ul>
    </details>
  );
}
