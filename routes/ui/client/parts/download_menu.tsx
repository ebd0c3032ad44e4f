import { download, type Format } from "../download.ts";
import { Menu } from "./menu.tsx";

const FORMATS: readonly (readonly [Format, string])[] = [
  ["delta", "What changed (delta)"],
  ["safetensors", "Whole, .safetensors"],
  ["rosinality", "Whole, .pt"],
];

/** The file of an adapted generator, in each format. */
export function DownloadMenu({ id, name }: { id: string; name: string }) {
  return (
    <Menu label="Download">
      {FORMATS.map(([format, label]) => (
        <li key={format}>
          <button type="button" onClick={() => download(id, format, name)}>{label}</button>
        </li>
      ))}
    </Menu>
  );
}
