import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../api.ts";
import { save } from "../download.ts";
import { drawOptions, type Look, originalOptions } from "../look.ts";
import { Slider } from "../parts/field.tsx";
import { imageUrl, Picture } from "../parts/picture.tsx";
import { place, setQuery } from "../place.ts";
import { say } from "../toast.ts";
import type { Generator } from "../types.ts";
import { generatorName } from "../words.ts";
import { useFrames } from "./explore_frames.ts";

/** How long a frame is shown. */
const FRAME_MS = 40;
const FRAMES = 24;

interface WalkProps {
  readonly generator: Generator;
  readonly look: Look;
  /** Seeds, in the order in which they are passed. */
  readonly stops: readonly number[];
}

/** From one face to the next, and back to the first if wanted: played, and saved. */
export function Walk({ generator, look, stops }: WalkProps) {
  const write = (next: readonly number[]) => setQuery({ walk: next.join() || null });
  return (
    <section class="walk">
      <h2>Walk</h2>
      {stops.length < 2 && (
        <p class="hint">
          Pick two faces or more below: let choosing a face add it to the walk.
        </p>
      )}
      {stops.length > 0 && (
        <ul class="stops">
          {stops.map((seed, i) => (
            <li key={`${i} ${seed}`}>
              <button
                type="button"
                class="thumb"
                aria-label={`Take seed ${seed} out of the walk`}
                onClick={() => write(stops.filter((_, other) => other !== i))}
              >
                <Picture url={imageUrl(generator.id, seed, drawOptions(look))} alt="" />
              </button>
            </li>
          ))}
        </ul>
      )}
      {stops.length > 1 && <Player generator={generator} look={look} stops={stops} />}
    </section>
  );
}

function Player({ generator, look, stops }: WalkProps) {
  const { query } = place.value;
  const perLeg = Number(query.get("frames") ?? FRAMES);
  const isLoop = query.get("loop") !== "0";
  const [isWanted, setWanted] = useState(false);
  const [isPlaying, setPlaying] = useState(false);
  const [at, setAt] = useState(0);
  const [saving, setSaving] = useState<string | null>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const urls = frameUrls(generator, look, stops, perLeg, isLoop);
  const { frames, error } = useFrames(isWanted ? urls : []);
  const shown = Math.min(at, urls.length - 1);
  const label = `Frame ${shown + 1} of ${urls.length} of the walk`;
  const isReady = isWanted && frames.length === urls.length;

  useEffect(() => {
    if (!isPlaying || !isReady) return;
    const timer = setInterval(() => {
      setAt((last) => last + 1 < urls.length ? last + 1 : isLoop ? 0 : last);
    }, FRAME_MS);
    return () => clearInterval(timer);
  }, [isPlaying, isReady, urls.length, isLoop]);

  useEffect(() => {
    if (isPlaying && !isLoop && shown === urls.length - 1) setPlaying(false);
  }, [shown]);

  useEffect(() => {
    const frame = frames[shown];
    if (!frame || !canvas.current) return;
    canvas.current.width = frame.width;
    canvas.current.height = frame.height;
    canvas.current.getContext("2d")!.drawImage(frame, 0, 0);
  }, [frames, shown]);

  function play() {
    setWanted(true);
    if (!isPlaying && shown === urls.length - 1) setAt(0);
    setPlaying(!isPlaying);
  }

  async function keep(format: "zip" | "gif") {
    setSaving(format);
    const { strength, blend } = look;
    try {
      const file = await api.walk(generator.id, {
        seeds: stops,
        frames: perLeg,
        loop: isLoop,
        format,
        frame_ms: FRAME_MS,
        ...originalOptions(look),
        strength,
        ...blend && { blend },
      });
      save(file, `${generatorName(generator)} walk ${stops.join("-")}.${format}`);
    } catch (error) {
      say((error as Error).message);
    } finally {
      setSaving(null);
    }
  }

  return (
    <div class="player">
      {frames.length > shown
        ? <canvas ref={canvas} role="img" aria-label={label} />
        : <Picture url={urls[shown]!} alt={label} />}
      <div class="panel">
        <p class="actions">
          <button type="button" class="main" onClick={play}>
            {isPlaying ? "Pause" : "Play"}
          </button>
          <button type="button" disabled={saving !== null} onClick={() => keep("zip")}>
            {saving === "zip" ? "Drawing…" : "Save PNGs (.zip)"}
          </button>
          <button type="button" disabled={saving !== null} onClick={() => keep("gif")}>
            {saving === "gif" ? "Drawing…" : "Save GIF"}
          </button>
        </p>
        <Slider
          label="Frame"
          min={1}
          max={urls.length}
          step={1}
          value={shown + 1}
          onInput={(value) => {
            setPlaying(false);
            setAt(value - 1);
          }}
        />
        <Slider
          label="Frames from face to face"
          min={4}
          max={60}
          step={4}
          value={perLeg}
          onInput={(value) => setQuery({ frames: String(value) })}
        />
        <label class="check">
          <input
            type="checkbox"
            checked={isLoop}
            onChange={() => setQuery({ loop: isLoop ? "0" : null })}
          />
          Back to the first face
        </label>
        <p class="hint" role="status">
          {error
            ? error.message
            : isWanted && !isReady
            ? `Drawn: ${frames.length} of ${urls.length} frames`
            : ""}
        </p>
      </div>
    </div>
  );
}

/** The frames that the service's file of the walk has. */
function frameUrls(
  { id }: Generator,
  look: Look,
  stops: readonly number[],
  perLeg: number,
  isLoop: boolean,
): string[] {
  const legs = isLoop ? stops.length : stops.length - 1;
  const frame = (leg: number, by: number) =>
    imageUrl(id, stops[leg]!, {
      ...drawOptions(look),
      towards: stops[(leg + 1) % stops.length]!,
      towards_by: by,
    });
  const urls = Array.from(
    { length: legs * perLeg },
    (_, i) => frame(Math.floor(i / perLeg), i % perLeg / perLeg),
  );
  return isLoop ? urls : [...urls, frame(legs - 1, 1)];
}
