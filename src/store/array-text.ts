/**
 * Writes an array as PostgreSQL reads it (`{1,2,NULL}`, `{"a","b"}`). Statements have thirty arrays of a thousand elements: the driver's own way, which asks of
 * each element what it is and copies the text so far, takes longer.
 */
export function arrayText(items: readonly unknown[]): string {
  if (items.length === 0) return "{}";
  const parts = new Array<string>(items.length);
  for (let n = 0; n < items.length; n += 1) parts[n] = elementText(items[n]);
  return `{${parts.join(",")}}`;
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
