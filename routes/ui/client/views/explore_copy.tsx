import { token } from "../api.ts";
import { drawOptions, type Look, mixOptions } from "../look.ts";
import { imageUrl } from "../parts/picture.tsx";
import { say } from "../toast.ts";
import type { Generator } from "../types.ts";

/** What is seen, for somebody else, for a terminal, and for a program. */
export function CopyButtons({ generator, look }: { generator: Generator; look: Look }) {
  const texts = {
    link: location.href,
    "CLI command": command(generator, look),
    "API call": call(generator, look),
  };
  return (
    <p class="actions">
      {Object.entries(texts).map(([name, text]) => (
        <button
          key={name}
          type="button"
          onClick={() => copy(name, text)}
        >
          Copy {name}
        </button>
      ))}
    </p>
  );
}

/** Deltas go by the names that they are downloaded under. */
function command({ id, kind, base }: Generator, look: Look): string {
  const { seed, truncation, strength, ofClass, mix, blend } = look;
  const flags = [
    ["generator", base],
    ...kind === "adapted" ? share(id, strength * (1 - (blend?.by ?? 0))) : [],
    ...blend ? share(blend.generator, strength * blend.by) : [],
    ...ofClass === null ? [] : [["class", ofClass]],
    ["seeds", seed],
    ...mix ? [["mix", mix.seed], ["mix-from", mix.from]] : [],
    ["truncation", truncation],
    ["out", `${seed}.png`],
  ];
  return `nada sample ${flags.map(([name, value]) => `--${name} ${value}`).join(" ")}`;
}

const share = (id: string, strength: number) => [
  ["adapted", `${id}.safetensors`],
  ["strength", Number(strength.toFixed(4))],
];

function call({ id }: Generator, look: Look): string {
  const { seed } = look;
  const url = location.origin +
    imageUrl(id, seed, { ...drawOptions(look), ...mixOptions(look) });
  const header = token.value === null ? "" : ' -H "authorization: Bearer $NADA_TOKEN"';
  return `curl -fsS${header} -o ${seed}.png '${url}'`;
}

async function copy(name: string, text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    say(`Copied the ${name}`);
  } catch {
    // A page that did not come over TLS or from this machine may not.
    prompt(`Copy the ${name}:`, text);
  }
}
