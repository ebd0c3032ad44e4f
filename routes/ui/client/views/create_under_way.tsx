import { useEffect } from "preact/hooks";
import * as api from "../api.ts";
import { useLoaded } from "../use_loaded.ts";
import { targetText } from "../words.ts";

const AGAIN_MS = 4000;

/** What runs or waits, newest first. */
export function UnderWay() {
  const { value, again } = useLoaded(() => api.latest(20));
  const active = (value ?? []).filter(({ finished_at }) => finished_at === null);
  useEffect(() => {
    if (active.length === 0) return;
    const timer = setTimeout(again, AGAIN_MS);
    return () => clearTimeout(timer);
  }, [value]);
  if (active.length === 0) return null;
  return (
    <section class="under-way">
      <h2>Under way</h2>
      <ul>
        {active.map(({ id, request, progress, state, queue_position }) => (
          <li key={id}>
            <a href={`#/watch/${id}`}>
              <b>{request.source || "pictures"} → {targetText(request.target)}</b>
              <span>
                {state === "queued"
                  ? `waits, number ${(queue_position ?? 0) + 1}`
                  : `step ${progress.step} of ${progress.steps}`}
              </span>
              <progress
                max={progress.steps}
                value={progress.step}
                aria-label={`Steps of ${targetText(request.target)}`}
              />
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}
