import assert from "node:assert/strict";
import { cleanText } from "../../../models/clip/clean_text.ts";

function assertCleaned(pairs: Record<string, string>) {
  for (const [text, expected] of Object.entries(pairs)) assert.equal(cleanText(text), expected);
}

// The expected values of all tests but the last are what ftfy 6.3.1 and html.unescape give.

Deno.test("cleanText() repairs UTF-8 that was read as Windows-1252 or Latin-1", () => {
  assertCleaned({
    "cafÃ© crÃ¨me": "café crème",
    "itâ€™s": "it's",
    "itâ\x80\x99s": "it's",
    "æ—¥æœ¬èªž": "日本語",
    "ðŸ˜€": "😀",
    "ÐŸÑ€Ð¸Ð²ÐµÑ‚": "привет",
    "ÄŒeÅ¡tina": "čeština",
    "ï»¿photo": "photo",
    "Ã¢â‚¬â€œ": "–",
    "日本 voilÃ\xa0": "日本 voilà",
  });
});

Deno.test("cleanText() leaves accented capitals before punctuation alone", () => {
  assertCleaned({
    "LE CAFÉ’S": "le café's",
    "“CAFÉ”": '"café"',
    "CAFÉ… CAFÉ— CAFÉ™": "café… café— café™",
    "«voilà…»": "«voilà…»",
    "5×£35": "5×£35",
    "BLÍŽ": "blíž",
  });
});

Deno.test("cleanText() straightens quotes, widths, ligatures and accents", () => {
  assertCleaned({
    "“a” ‘b’ ʼc": "\"a\" 'b' 'c",
    "ＦＵＬＬ　ｶﾞ": "full ガ",
    "ﬁne ﬂy ĳs ŉ": "fine fly ijs 'n",
    "cafe\u0301": "café",
  });
});

Deno.test("cleanText() drops control characters and folds white space", () => {
  assertCleaned({
    " a\x00b\x1c\tc\r\n\ufeffd\u2029\x0be ": "ab c d e",
    "don\x92t wait\x85": "don't wait…",
    "\ud800x": "\ufffdx",
  });
});

Deno.test("cleanText() decodes HTML entities, nested ones too", () => {
  assertCleaned({
    "tom &amp;amp;amp; jerry": "tom & jerry",
    "&ldquo;a&rdquo;": '"a"',
    "<b>&ldquo;a&rdquo;": "<b>“a”",
    "&copy 2024 &notit; &nosuch;": "© 2024 ¬it; &nosuch;",
    "&#39;&#x1F600;": "'😀",
  });
});

Deno.test("cleanText() gives the same for a text that it has cleaned", () => {
  for (const text of ["CafÃ© &amp;lt; ﬁ", "İstanbul ΟΔΟΣ", "&#65; “q”"]) {
    assert.equal(cleanText(cleanText(text)), cleanText(text));
  }
});
