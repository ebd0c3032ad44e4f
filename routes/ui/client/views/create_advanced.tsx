import type { Defaults } from "../fact_types.ts";
import { facts } from "../facts.ts";
import { Field, Select } from "../parts/field.tsx";
import { place, setQuery } from "../place.ts";

/** Every other option, each with its default and a line on what it does. */
export function Advanced({ defaults }: { defaults: Defaults }) {
  const { lambdas } = defaults;
  return (
    <details class="advanced">
      <summary>Advanced</summary>
      <div class="fields">
        <Num
          name="steps"
          label="Steps"
          help="More go further from the original"
          min={1}
          max={10000}
          default={defaults.steps}
        />
        <Num
          name="batch"
          label="Batch"
          help="Images a step looks at"
          min={1}
          max={32}
          default={defaults.batch}
        />
        <Num
          name="lr"
          label="Learning rate"
          help="How far a step goes"
          min={0}
          max={1}
          default={defaults.lr}
        />
        <Num
          name="seed"
          label="Seed"
          help="Another one, another run"
          min={0}
          default={defaults.seed}
        />
        <Num
          name="auto_layers"
          label="Layers chosen each step"
          min={1}
          max={64}
          default="all"
          help="Train only those that the target moves most"
        />
        <Choice
          name="phase"
          label="Layers"
          help="Train only a part of the generator"
          default="all that the paper trains"
          options={facts.phases}
        />
        <Choice
          name="train_params"
          label="What of the layers"
          help="Styles alone change less, and make files of kilobytes"
          default={defaults.train_params}
          options={facts.trainParams}
        />
        <Num
          name="mixing"
          label="Style mixing"
          help="Share of steps that mix two styles; for shapes"
          min={0}
          max={1}
          default={defaults.mixing}
        />
        <Choice
          name="augmentation"
          label="Augmentation"
          help="Against textures that please CLIP alone"
          default={defaults.augmentation}
          options={facts.augmentations}
        />
        <Choice
          name="noise"
          label="Noise"
          help="The generator's own noise while it trains"
          default={defaults.noise}
          options={["random", "const", "none"]}
        />
        <Num
          name="lambda_direction"
          label="Weight: direction"
          help="The paper's loss"
          min={0}
          default={lambdas.direction}
        />
        <Num
          name="lambda_global"
          label="Weight: global"
          help="Nearness to the target text"
          min={0}
          default={lambdas.global}
        />
        <Num
          name="lambda_patch"
          label="Weight: patch"
          help="Nearness of small pieces"
          min={0}
          default={lambdas.patch}
        />
        <Num
          name="lambda_manifold"
          label="Weight: manifold"
          help="Keeps distances between images"
          min={0}
          default={lambdas.manifold}
        />
        <Num
          name="text_weight"
          label="Share of the text"
          help="Where there are pictures as well"
          min={0}
          max={1}
          default={0}
        />
        <Choice
          name="stop_on"
          label="Stop early"
          help="When the loss no longer falls"
          default="never"
          options={["plateau"]}
        />
        <Num
          name="preview_every"
          label="Preview every"
          help="Steps between two previews"
          min={0}
          default={defaults.preview_every}
        />
        <Num
          name="preview_count"
          label="Images in a preview"
          help="Seeds from 0 on"
          min={1}
          max={32}
          default={defaults.preview_count}
        />
        <Num
          name="preview_truncation"
          label="Truncation of previews"
          min={-2}
          max={2}
          help="1 for all variety, 0 for the mean image"
          default={defaults.preview_truncation}
        />
      </div>
    </details>
  );
}

interface Option {
  readonly name: string;
  readonly label: string;
  readonly help: string;
  readonly default: string | number;
}

function Num({ name, label, help, min, max, ...rest }: Option & { min: number; max?: number }) {
  return (
    <Field label={label} help={help}>
      {(attributes) => (
        <input
          {...attributes}
          type="number"
          step="any"
          min={min}
          {...max !== undefined && { max }}
          placeholder={String(rest.default)}
          value={place.value.query.get(name) ?? ""}
          onInput={(event) => setQuery({ [name]: event.currentTarget.value || null })}
        />
      )}
    </Field>
  );
}

function Choice({ name, label, help, options, ...rest }: Option & { options: readonly string[] }) {
  return (
    <Select
      label={label}
      help={help}
      value={place.value.query.get(name) ?? ""}
      options={[
        ["", String(rest.default)],
        ...options.filter((option) => option !== rest.default)
          .map((option) => [option, option] as const),
      ]}
      onChange={(value) => setQuery({ [name]: value || null })}
    />
  );
}
