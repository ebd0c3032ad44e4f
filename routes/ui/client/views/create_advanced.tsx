import type { TargetedInputEvent } from "preact";
import type { Defaults } from "../fact_types.ts";
import { facts } from "../facts.ts";
import { type Option, OPTION_GROUPS } from "../options.ts";
import { Field, Select } from "../parts/field.tsx";
import { place, setQuery } from "../place.ts";

/** Every other option, each with its default and a line on what it does. */
export function Advanced({ defaults }: { defaults: Defaults }) {
  return (
    <details class="advanced">
      <summary>Advanced</summary>
      {OPTION_GROUPS.map(({ title, options }) => (
        <fieldset key={title}>
          <legend>{title}</legend>
          <div class="fields">
            {options.map((option) => (
              <Control
                key={option.name}
                option={option}
                otherwise={option.otherwise ?? String(defaults[option.name])}
              />
            ))}
          </div>
        </fieldset>
      ))}
    </details>
  );
}

function Control({ option, otherwise }: { option: Option; otherwise: string }) {
  const { name, label, help, kind } = option;
  const value = place.value.query.get(name) ?? "";
  const change = (text: string) => setQuery({ [name]: text || null });
  if (kind === "choice") {
    return (
      <Select
        label={label}
        help={help}
        value={value}
        options={[
          ["", otherwise],
          ...facts.choices[name]!.filter((each) => each !== otherwise)
            .map((each) => [each, each] as const),
        ]}
        onChange={change}
      />
    );
  }
  return (
    <Field label={label} help={help}>
      {(attributes) => {
        const all = {
          ...attributes,
          placeholder: otherwise,
          value,
          onInput: (event: TargetedInputEvent<HTMLInputElement>) =>
            change(event.currentTarget.value),
        };
        if (kind === "list") return <input {...all} />;
        const { min, max } = option;
        return (
          <input {...all} type="number" step="any" min={min} {...max !== undefined && { max }} />
        );
      }}
    </Field>
  );
}
