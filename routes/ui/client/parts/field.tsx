import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

/** A labelled control with a line of help. */
export function Field(
  { label, help, children }: {
    label: string;
    help?: string | undefined;
    children: (attributes: { id: string; "aria-describedby"?: string }) => ComponentChildren;
  },
) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, ...help && { "aria-describedby": `${id}-help` } })}
      {help && <small id={`${id}-help`}>{help}</small>}
    </div>
  );
}

export function Select(
  { label, help, value, options, onChange }: {
    label: string;
    help?: string;
    value: string;
    /** What is chosen, and how it is called. */
    options: readonly (readonly [value: string, label: string])[];
    onChange: (value: string) => void;
  },
) {
  return (
    <Field label={label} help={help}>
      {(attributes) => (
        <select
          {...attributes}
          value={value}
          onChange={(event) => onChange(event.currentTarget.value)}
        >
          {options.map(([each, name]) => <option key={each} value={each}>{name}</option>)}
        </select>
      )}
    </Field>
  );
}

/** The number of a kind of image. */
export function ClassField(
  { classes, value, onInput }: {
    classes: number;
    value: string;
    onInput: (text: string) => void;
  },
) {
  return (
    <Field label="Class" help={`What it draws: 0 to ${classes - 1}.`}>
      {(attributes) => (
        <input
          {...attributes}
          type="number"
          min={0}
          max={classes - 1}
          required
          value={value}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

export function Slider(
  { label, value, min, max, step, onInput }: {
    label: string;
    value: number;
    min: number;
    max: number;
    step: number;
    onInput: (value: number) => void;
  },
) {
  const id = useId();
  return (
    <div class="slider">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="range"
        min={min}
        max={max}
        step={step}
        value={value}
        onInput={(event) => onInput(event.currentTarget.valueAsNumber)}
      />
      <output for={id}>{value}</output>
    </div>
  );
}
