/**
 * Writes an array as PostgreSQL reads it (`{1,2,NULL}`, `{"a","b"}`). Statements have thirty arrays of a thousand elements: the driver's own way, which asks of
 * each element what it is and copies the text so far, takes longer.
 */
export function arrayText(items: readonly unknown[]): string {
  if (items.length === 0) return "{}";
  const pieces: string[] = [];
  for (let from = 0; from < items.length; from += itemsPerPiece) pieces.push(joinedTexts(items, from));
  return pieces.length === 1 ? (pieces[0] as string) : pieces.join(",");
}

/** Of so many elements the texts are in memory at once, beside the whole. */
const itemsPerPiece = 1_000;

/** The texts of some elements; the brackets of the array are part of its first and last one, because a text that is put around another is copied with it. */
function joinedTexts(items: readonly unknown[], from: number): string {
  const texts = new Array<string>(Math.min(itemsPerPiece, items.length - from));
  // Much of what is written of many tasks is the same for all of them, and comparing is less than quoting.
  let before: unknown;
  let text = elementText(before);
  for (let n = 0; n < texts.length; n += 1) {
    const item = items[from + n];
    if (item !== before) {
      text = elementText(item);
      before = item;
    }
    texts[n] = text;
  }
  if (from === 0) texts[0] = `{${texts[0]}`;
  if (from + texts.length === items.length) texts.push(`${texts.pop()}}`);
  return texts.join(",");
}

function elementText(item: unknown): string {
  switch (typeof item) {
    case "string":
      return quoted(item);
    case "number":
    case "bigint":
      return String(item);
    case "boolean":
      return item ? "t" : "f";
    default:
      if (item === null || item === undefined) return "NULL";
      if (Buffer.isBuffer(item)) return `"\\\\x${item.toString("hex")}"`;
      throw new TypeError(`an array of the database cannot hold ${Object.prototype.toString.call(item)}`);
  }
}

const special = /["\\]/;

function quoted(text: string): string {
  return special.test(text) ? `"${text.replace(/["\\]/g, "\\$&")}"` : `"${text}"`;
}
