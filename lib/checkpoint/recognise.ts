import { type ByteRange, readBytes } from "./range_file.ts";
import { refuse } from "./refusal.ts";

/** The forms of files that hold tensors. */
export type Container = "safetensors" | "zip" | "torch legacy" | "pickle";

const READS =
  "nada reads safetensors files, PyTorch files and TorchScript archives, and NVIDIA's " +
  "pickles of StyleGAN";

/** The magic number of PyTorch before 1.6, in a pickle of protocol 2. */
const LEGACY_TORCH = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

/** First bytes of files that are often taken for a checkpoint, as text (bytes as latin-1). */
const FOREIGN: [start: string, what: string][] = [
  [
    "version https://git-lfs",
    "a git-lfs pointer: run `git lfs pull` to get the file it stands for",
  ],
  ["\x89PNG", "a PNG image"],
  ["\xff\xd8\xff", "a JPEG image"],
  ["GIF8", "a GIF image"],
  ["RIFF", "a WebP image or another RIFF file"],
  ["%PDF", "a PDF document"],
  ["\x93NUMPY", "a NumPy array"],
  ["\x89HDF", "an HDF5 file"],
  ["GGUF", "a GGUF file"],
  ["\x1f\x8b", "a gzip archive: unpack it first"],
  ["\xfd7zXZ", "an xz archive: unpack it first"],
  ["BZh", "a bzip2 archive: unpack it first"],
  ["\x28\xb5\x2f\xfd", "a zstd archive: unpack it first"],
  ["7z\xbc\xaf", "a 7z archive: unpack it first"],
  ["PK\x05\x06", "an empty zip archive"],
];

/** The container by its first bytes, never by its name; refuses other files by what they are. */
export async function recognise(file: ByteRange): Promise<Container> {
  if (file.size === 0) refuse("it is empty; the download or copy may have failed, fetch it again");
  const head = await readBytes(file, 0, Math.min(file.size, 512));
  const text = String.fromCharCode(...head);
  if (text.startsWith("PK\x03\x04")) return "zip";
  // The length of the header in 8 bytes, below 2^32 in all sense, then its JSON.
  if (text.startsWith("\0\0\0\0{", 4)) return "safetensors";
  if (text.startsWith(LEGACY_TORCH)) return "torch legacy";
  // The instruction that gives the protocol.
  if (text.startsWith("\x80")) return "pickle";
  refuse(`it is ${describe(text)}; ${READS}`);
}

function describe(head: string): string {
  const known = FOREIGN.find(([start]) => head.startsWith(start));
  if (known) return known[1];
  if (/^\s*<(!doctype|html)/i.test(head)) {
    return "an HTML page: the download gave a web page in place of the file";
  }
  if (head.startsWith("ustar", 257)) return "a tar archive: unpack it first";
  if (/^\s*[{[]/.test(head)) return "JSON text";
  if (/^[\t\n\r\x20-\x7e]*$/.test(head)) return "plain text";
  const bytes = [...head.slice(0, 8)].map((c) => c.charCodeAt(0).toString(16).padStart(2, "0"));
  return `of an unknown kind (it begins with ${bytes.join(" ")})`;
}
