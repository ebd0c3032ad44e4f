import type { ComponentChildren } from "preact";
import { setQuery } from "../place.ts";
import { type Weighted, writeWeighted } from "../wish.ts";

/** Several of what one is enough of, each with a weight: the first stands elsewhere, alone. */
export function WeightedList(
  { name, title, all, empty, children }: {
    /** In the address. */
    name: string;
    /** Of one of them, as in "target". */
    title: string;
    all: readonly Weighted[];
    /** What another one begins as. */
    empty: string;
    children: (
      each: Weighted,
      label: string,
      change: (value: string) => void,
    ) => ComponentChildren;
  },
) {
  const write = (next: readonly Weighted[]) => setQuery(writeWeighted(name, next));
  const change = (index: number, changes: Partial<Weighted>) =>
    write(all.map((each, i) => i === index ? { ...each, ...changes } : each));
  return (
    <div class="weighted">
      {all.length > 1 && (
        <ul>
          {all.map((each, i) => (
            <li key={i}>
              {i === 0
                ? <span class="first">{each.name || `the ${title} above`}</span>
                : children(each, `Further ${title} ${i}`, (value) => change(i, { name: value }))}
              <input
                type="number"
                step="any"
                min={0}
                required
                aria-label={`Weight of ${each.name || title}`}
                value={each.weight}
                onChange={(event) => change(i, { weight: event.currentTarget.valueAsNumber || 0 })}
              />
              {i === 0 ? <span></span> : (
                <button
                  type="button"
                  aria-label={`Remove ${each.name || title}`}
                  onClick={() => write(all.filter((_, other) => other !== i))}
                >
                  ×
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
      <button
        type="button"
        class="quiet"
        onClick={() => write([...all, { name: empty, weight: 1 }])}
      >
        + Another {title}
      </button>
    </div>
  );
}
