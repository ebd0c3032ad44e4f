import { useEffect, useState } from "preact/hooks";
import * as api from "../api.ts";
import { follow } from "../follow.ts";
import { LayerBand } from "../parts/layer_band.tsx";
import { LossChart } from "../parts/loss_chart.tsx";
import { ProblemNote } from "../parts/problem.tsx";
import { go } from "../place.ts";
import { say } from "../toast.ts";
import type { Adaptation, Preview, Step } from "../types.ts";
import { createLink } from "../wish.ts";
import { duration, nameOf, rate, targetText } from "../words.ts";
import { Previews } from "./watch_previews.tsx";

const MORE_STEPS = 100;

export function Watch({ id }: { id: string }) {
  const [adaptation, setAdaptation] = useState<Adaptation | null>(null);
  const [steps, setSteps] = useState<readonly Step[]>([]);
  const [previews, setPreviews] = useState<readonly Preview[]>([]);
  const [error, setError] = useState<Error | null>(null);

  useEffect(() =>
    follow(id, {
      state: setAdaptation,
      step: (step) => setSteps((all) => [...all.filter((other) => other.step < step.step), step]),
      preview: (preview) =>
        setPreviews((all) => [...all.filter(({ step }) => step < preview.step), preview]),
      failed: setError,
    }), [id]);

  useEffect(() => {
    const { request } = adaptation ?? {};
    document.title = request ? `${nameOf(request)} · nada` : "nada";
  }, [adaptation]);

  if (error) {
    return (
      <>
        <ProblemNote error={error} />
        <p>
          <a href="#/gallery">To the gallery</a>
        </p>
      </>
    );
  }
  if (!adaptation) return <p class="empty">Looking for it…</p>;
  const { request, progress } = adaptation;
  const last = steps.at(-1);
  return (
    <article class="watch">
      <h1>
        {request.source || "now"} <span class="arrow">→</span> {targetText(request.target)}
      </h1>
      {request.name && <p class="prompt-line">{request.name}</p>}
      <Status adaptation={adaptation} last={last} />
      <progress
        max={progress.steps}
        value={last?.step ?? progress.step}
        aria-label="Steps done"
      />
      <Actions adaptation={adaptation} />
      {adaptation.error && <ProblemNote error={new Error(adaptation.error.detail)} />}
      <Previews request={request} previews={previews} />
      <section>
        <h2>Loss</h2>
        <LossChart steps={steps} />
        <LayerBand steps={steps} />
      </section>
    </article>
  );
}

function Status({ adaptation, last }: { adaptation: Adaptation; last: Step | undefined }) {
  const { state, progress, queue_position } = adaptation;
  const done = last?.step ?? progress.step;
  return (
    <p class="status" aria-live="off">
      <span class="badge" data-state={state}>{STATES[state]}</span>
      {state === "queued" && queue_position !== null && queue_position > 0 &&
        <span>{queue_position} before it</span>}
      <span>step {done} of {progress.steps}</span>
      {state === "processing" && last?.steps_per_second && (
        <span>{rate(last.steps_per_second)}</span>
      )}
      {state === "processing" && last?.eta_seconds != null &&
        <span>{duration(last.eta_seconds)} to go</span>}
    </p>
  );
}

const STATES: Record<Adaptation["state"], string> = {
  queued: "waiting",
  starting: "getting ready",
  processing: "learning",
  succeeded: "done",
  failed: "failed",
  canceled: "canceled",
  interrupted: "goes on when the server is back",
};

function Actions({ adaptation }: { adaptation: Adaptation }) {
  const { id, state, generator, request, style_images, finished_at } = adaptation;
  const [isBusy, setBusy] = useState(false);
  const act = async (work: () => Promise<unknown>) => {
    setBusy(true);
    await work().catch((error) => say(error.message));
    setBusy(false);
  };
  const again = createLink(request, style_images > 0 ? id : null);
  const more = async () => {
    const next = await api.start({
      ...request,
      name: undefined,
      start_from: id,
      steps: MORE_STEPS,
      ...style_images > 0 && { style_from: id },
    });
    go(`#/watch/${next.id}`);
  };
  return (
    <p class="actions">
      {state === "processing" && (
        <button
          type="button"
          class="main"
          disabled={isBusy}
          onClick={() => act(() => api.finish(id))}
        >
          Stop here and keep
        </button>
      )}
      {finished_at === null && (
        <button
          type="button"
          disabled={isBusy}
          onClick={() => act(() => api.cancel(id))}
        >
          Cancel
        </button>
      )}
      {generator && <a class="button main" href={`#/explore/${generator}`}>Explore</a>}
      {generator && (
        <button
          type="button"
          disabled={isBusy}
          onClick={() => act(more)}
        >
          Continue for {MORE_STEPS} more
        </button>
      )}
      {finished_at !== null && <a class="button" href={again}>Same settings again</a>}
      {state === "canceled" && <a class="button" href="#/gallery">Gallery</a>}
    </p>
  );
}
