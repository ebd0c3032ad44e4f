import { imageUrl } from "../parts/picture.tsx";
import { say } from "../toast.ts";
import type { Generator } from "../types.ts";
import type { Look } from "./explore.tsx";

/** What is seen, for somebody else, for a terminal, and for a program. */
export function CopyButtons({ generator, look }: { generator: Generator; look: Look }) {
  const { seed, truncation, strength } = look;
  const adapted = generator.kind === "adapted"
    ? ` --adapted adapted.safetensors --strength ${strength}`
    : "";
  const texts = {
    link: location.href,
    "CLI command": `nada sample --generator ${generator.base}${adapted} --seeds ${seed} ` +
      `--truncation ${truncation} --out ${seed}.png`,
    "API call": `curl -fsS -o ${seed}.png '${location.origin}${
      imageUrl(generator.id, seed, { truncation, strength })
    }'`,
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

async function copy(name: string, text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    say(`Copied the ${name}`);
  } catch {
    // A page that did not come over TLS or from this machine may not.
    prompt(`Copy the ${name}:`, text);
  }
}
