/**
 * SettingKind is how the text of an environment variable becomes a value: what it accepts, how it reads the text and how
 * it writes a value back for documentation.
 */
export interface SettingKind<T> {
  /** A noun for the documentation: `duration`, `integer`, … */
  readonly name: string;
  /** What is accepted, as the end of the sentence "… is not accepted: give …". */
  readonly accepts: string;
  /** The value of a text, or undefined when the text is not accepted. */
  readonly parse: (text: string) => T | undefined;
  /** The text that `parse` would read as this value. */
  readonly format: (value: T) => string;
}

const durationUnits: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
]);

const byteUnits: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["B", 1],
  ["KiB", 1024],
  ["MiB", 1024 ** 2],
  ["GiB", 1024 ** 3],
]);

/** Any text that is not blank. */
export function text(accepts: string): SettingKind<string> {
  return { name: "text", accepts, parse: (value) => value, format: (value) => value };
}

/** A whole number within bounds, both included. */
export function integer(bounds: { min: number; max: number }): SettingKind<number> {
  return {
    name: "integer",
    accepts: `a whole number from ${bounds.min} to ${bounds.max}`,
    parse: (value) => within(/^\d{1,15}$/.test(value) ? Number(value) : undefined, bounds),
    format: String,
  };
}

/** A duration in milliseconds, written with its unit: `500ms`, `10s`, `2m`, `1h`. Bare numbers are refused. */
export function duration(bounds: { min: number; max: number }): SettingKind<number> {
  return {
    name: "duration",
    accepts:
      `a number with its unit (ms, s, m or h), as in "500ms", "10s" or "2m", ` +
      `from ${formatDuration(bounds.min)} to ${formatDuration(bounds.max)}`,
    parse: (value) => within(parseQuantity(value, durationUnits), bounds),
    format: formatDuration,
  };
}

/** A number of bytes: `1048576` or `1MiB`. */
export function bytes(bounds: { min: number; max: number }): SettingKind<number> {
  return {
    name: "bytes",
    accepts: `a number of bytes, as in "65536", "64KiB" or "16MiB", from ${formatBytes(bounds.min)} to ${formatBytes(bounds.max)}`,
    parse: (value) => within(parseQuantity(value, byteUnits), bounds),
    format: formatBytes,
  };
}

/** Yes or no. */
export function flag(): SettingKind<boolean> {
  return {
    name: "flag",
    accepts: `"true" or "false" (also "1", "0", "yes", "no")`,
    parse: (value) => {
      const lower = value.toLowerCase();
      if (["true", "1", "yes"].includes(lower)) return true;
      if (["false", "0", "no"].includes(lower)) return false;
      return undefined;
    },
    format: String,
  };
}

/** One of a few words. */
export function choice<const Choice extends string>(choices: readonly Choice[]): SettingKind<Choice> {
  return {
    name: "choice",
    accepts: `one of ${choices.join(", ")}`,
    parse: (value) => choices.find((candidate) => candidate === value),
    format: (value) => value,
  };
}

/** An absolute URL of one of the given schemes, without a trailing slash, query or fragment unless `query` is set. */
export function url(options: { schemes: readonly string[]; query: boolean; example: string }): SettingKind<string> {
  return {
    name: "url",
    accepts: `a URL like ${options.example}`,
    parse: (value) => {
      const parsed = URL.parse(value);
      if (parsed === null || !options.schemes.includes(parsed.protocol.slice(0, -1))) return undefined;
      if (options.query) return value;
      if (parsed.search !== "" || parsed.hash !== "" || parsed.host === "") return undefined;
      return value.replace(/\/+$/, "");
    },
    format: (value) => value,
  };
}

/** Origins of web pages, as browsers send them, with commas between them; or one `*`, for all. */
export function origins(): SettingKind<readonly string[]> {
  return {
    name: "list",
    accepts: '"*", or origins with commas between them, as in "https://app.example.com,http://localhost:5173"',
    parse: (value) => {
      const words = wordsOf(value);
      if (words.length === 1 && words[0] === "*") return words;
      const given = words.map(originOf);
      return given.every((origin) => origin !== undefined) ? given : undefined;
    },
    format: (given) => given.join(","),
  };
}

/** The origin that a text is, in the form in which browsers send it; undefined: it is none, or more than one. */
function originOf(text: string): string | undefined {
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/?#@\\*]+\/?$/i.test(text)) return undefined;
  const url = URL.parse(text);
  if (url === null) return undefined;
  // Only those of the schemes that URL knows have an origin there; pages of apps (capacitor://localhost) have one as well.
  return url.origin === "null" ? `${url.protocol}//${url.host}` : url.origin;
}

/** Words with commas between them, spaces around them ignored; each has to match the pattern. */
export function list(accepts: string, pattern: RegExp): SettingKind<readonly string[]> {
  return {
    name: "list",
    accepts,
    parse: (value) => {
      const words = wordsOf(value);
      return words.every((word) => pattern.test(word)) ? words : undefined;
    },
    format: (words) => words.join(","),
  };
}

function wordsOf(value: string): string[] {
  return value
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
}

function within(value: number | undefined, bounds: { min: number; max: number }): number | undefined {
  return value !== undefined && value >= bounds.min && value <= bounds.max ? value : undefined;
}

function parseQuantity(value: string, units: ReadonlyMap<string, number>): number | undefined {
  const match = /^(\d{1,15})\s?([A-Za-z]*)$/.exec(value);
  const factor = units.get(match?.[2] ?? "-");
  return match === null || factor === undefined ? undefined : Number(match[1]) * factor;
}

function formatDuration(ms: number): string {
  return formatQuantity(ms, durationUnits);
}

function formatBytes(count: number): string {
  return formatQuantity(count, new Map([...byteUnits].filter(([unit]) => unit !== "B")));
}

/** Writes a quantity in the largest unit that divides it. */
function formatQuantity(value: number, units: ReadonlyMap<string, number>): string {
  const largestFirst = [...units].toReversed();
  const [unit, factor] = largestFirst.find(([, size]) => value !== 0 && value % size === 0) ?? [
    units.has("ms") ? "ms" : "",
    1,
  ];
  return `${value / factor}${unit}`;
}
