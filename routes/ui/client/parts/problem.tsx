/** What went wrong, in the server's words, and a way on. */
export function ProblemNote({ error, again }: { error: Error; again?: () => void }) {
  return (
    <p class="problem" role="alert">
      {error.message} {again && <button type="button" onClick={again}>Try again</button>}
    </p>
  );
}
