import { decodeHTML, decodeHTMLStrict } from "entities/decode";

/**
 * The text as CLIP's tokenizer takes it: repaired, without HTML entities, runs of white space as
 * one space, lower case. What two people type for the same words comes out the same.
 */
export function cleanText(text: string): string {
  // Twice, because "&amp;lt;" is common in text taken from the web, as CLIP's training text was.
  return decodeHTML(decodeHTML(repairText(text))).replace(/\s+/g, " ").trim().toLowerCase();
}

/** Undoes what encodings, word processors and web pages did to a text, until nothing changes. */
function repairText(text: string): string {
  let before;
  do {
    before = text;
    text = decodeClosedEntities(text);
    text = decodeMojibake(text);
    text = text
      .replace(/[\u0080-\u009f]/g, (c) => WINDOWS_1252[c.charCodeAt(0) - 0x80]!)
      .replace(COMPATIBILITY_FORMS, (c) => c.normalize("NFKC"))
      .replace(/[\u02bc\u2018-\u201b]/g, "'")
      .replace(/[\u201c-\u201f]/g, '"')
      .toWellFormed()
      .replace(INVISIBLE, "")
      .normalize("NFC");
  } while (text !== before);
  return text;
}

/** Full-width and half-width forms, and ligatures that no alphabet counts as a letter. */
const COMPATIBILITY_FORMS = /[\u3000\uff01-\uffefĲĳŉǄ-ǌǱ-ǳﬀ-ﬄﬆ]/g;

/** Control characters but for white space, byte order marks and annotation marks. */
const INVISIBLE = /(?![\t\n\f\r\x80-\x9f])\p{Cc}|[\u206a-\u206f\ufeff\ufff9-\ufffc]/gu;

/** "&eacute;" but not "&eacute", and nothing in a text that may be HTML, with its "<" as it is. */
function decodeClosedEntities(text: string): string {
  if (text.includes("<")) return text;
  return text.replace(/&#?[0-9A-Za-z]{1,24};/g, (entity) => decodeHTMLStrict(entity));
}

/** The characters that Windows-1252 has for bytes 0x80 to 0xff; the five it lacks are controls. */
const WINDOWS_1252 = [
  ...new TextDecoder("windows-1252").decode(Uint8Array.from({ length: 128 }, (_, i) => 0x80 + i)),
];

/** The byte behind each character of Windows-1252 or Latin-1 past ASCII. */
const BYTES = new Map(
  Array.from({ length: 128 }, (_, i) => 0x80 + i).flatMap((byte) => [
    [String.fromCharCode(byte), byte],
    [WINDOWS_1252[byte - 0x80]!, byte],
  ]),
);

/** Characters whose bytes are UTF-8 of two, three or four bytes, and a small letter before them. */
const UTF8_RUN = utf8Run();

function utf8Run(): RegExp {
  const bytes = (first: number, last: number) =>
    `[${[...BYTES].filter(([, b]) => b >= first && b <= last).map(([c]) => c).join("")}]`;
  const tail = bytes(0x80, 0xbf);
  const lengths = [
    bytes(0xc2, 0xdf) + tail,
    bytes(0xe0, 0xef) + `${tail}{2}`,
    bytes(0xf0, 0xf4) + `${tail}{3}`,
  ];
  return new RegExp(`[a-z]?(?:${lengths.join("|")})+`, "g");
}

/** UTF-8 that was read as Windows-1252 or Latin-1, "cafÃ©", turned back, as often as it was. */
function decodeMojibake(text: string): string {
  if (!text.match(UTF8_RUN)?.some(isUnlikely)) return text;
  // Where the whole text went wrong, its ambiguous runs did too.
  const decoded = decodeUtf8(text) ??
    text.replace(UTF8_RUN, (run) => isUnlikely(run) ? decodeUtf8(run) ?? run : run);
  return decoded === text ? text : decodeMojibake(decoded);
}

/** Whether nobody would write this: "Ã©" or "â€™", unlike the "É’" of "LE CAFÉ’S" or "à…”". */
function isUnlikely(run: string): boolean {
  if (/^[a-z]?×.$/.test(run)) return false; // as in 2×½
  return /^[a-z][À-ß]|[ÂÃ][^’…]|ï»¿/.test(run) ||
    /[^a-zÀ-ÿŠšŽžŸ‘’“”«»‹›¡¿•·–—…™®©´\u00a0\u00ad]/.test(run);
}

/** The text whose UTF-8 bytes these characters are, or undefined if they are no such bytes. */
function decodeUtf8(characters: string): string | undefined {
  const bytes = Uint8Array.from(
    characters,
    (c) => BYTES.get(c) ?? (c < "\x80" ? c.charCodeAt(0) : 0xff),
  );
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
