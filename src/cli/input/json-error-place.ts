/** What may stand at a place in JSON text. */
type Expected = "value" | "value or ]" | "key" | "key or }" | "colon" | "comma or close" | "end";

const space = /[ \t\r\n]*/y;
// JSON allows a few control characters in a string that this does not; they do not stand in files that people write.
const token =
  /([{}[\],:])|("(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])/uy;

/** TextPlace is a place in a text, both counted from 1. */
export interface TextPlace {
  readonly line: number;
  readonly column: number;
}

/** jsonErrorText is what `JSON.parse` says against a text, without the places that it names: they are those of where it noticed. */
export function jsonErrorText(error: unknown): string {
  return (error as Error).message
    .replace(/(?: in JSON)? at position \d+(?: \(line \d+ column \d+\))?/, "")
    .replace(/, [^,]*"[\s\S]* is not valid JSON$/, "");
}

/** jsonErrorPlace is {@link jsonErrorPosition} in words: `line 2, column 11`. */
export function jsonErrorPlace(text: string): string {
  const { line, column } = jsonErrorPosition(text);
  return `line ${line}, column ${column}`;
}

/**
 * jsonErrorPosition finds where text stops being JSON. For text that `JSON.parse` refuses: its own messages name the place of
 * some errors only.
 */
export function jsonErrorPosition(text: string): TextPlace {
  const open: string[] = [];
  let expected: Expected = "value";
  let offset = 0;
  for (;;) {
    offset = endOf(space, text, offset);
    token.lastIndex = offset;
    const match = token.exec(text);
    const next: Expected | null | undefined = match && after(expected, match, open);
    if (!next) return placeOf(text, offset);
    expected = next;
    offset = token.lastIndex;
  }
}

/** What is expected after a token, or undefined when the token may not stand there. Keeps `open` up to date. */
function after(expected: Expected, [, sign, string]: RegExpExecArray, open: string[]): Expected | undefined {
  const wantsValue = expected === "value" || expected === "value or ]";
  if (sign === undefined) {
    if (string !== undefined && (expected === "key" || expected === "key or }")) return "colon";
    return wantsValue ? afterValue(open) : undefined;
  }
  if (sign === ":") return expected === "colon" ? "value" : undefined;
  if (sign === ",") return expected !== "comma or close" ? undefined : open.at(-1) === "{" ? "key" : "value";
  if (sign === "{" || sign === "[") {
    if (!wantsValue) return undefined;
    open.push(sign);
    return sign === "{" ? "key or }" : "value or ]";
  }
  const closes = expected === "comma or close" || expected === (sign === "}" ? "key or }" : "value or ]");
  if (!closes || open.at(-1) !== (sign === "}" ? "{" : "[")) return undefined;
  open.pop();
  return afterValue(open);
}

function afterValue(open: readonly string[]): Expected {
  return open.length === 0 ? "end" : "comma or close";
}

function endOf(pattern: RegExp, text: string, offset: number): number {
  pattern.lastIndex = offset;
  pattern.exec(text);
  return pattern.lastIndex;
}

function placeOf(text: string, offset: number): TextPlace {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length, column: [...(before.at(-1) ?? "")].length + 1 };
}
