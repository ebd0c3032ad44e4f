import { useEffect, useRef } from "preact/hooks";

/** What went wrong, in the server's words, and a way on; brought into view. */
export function ProblemNote({ error, again }: { error: Error; again?: () => void }) {
  const element = useRef<HTMLParagraphElement>(null);
  useEffect(() => element.current!.scrollIntoView({ block: "nearest" }), [error]);
  return (
    <p class="problem" role="alert" ref={element}>
      {error.message} {again && <button type="button" onClick={again}>Try again</button>}
    </p>
  );
}
