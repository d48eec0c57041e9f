const contextLines = 3;
const linesMax = 12;

/**
 * Shows where two texts begin to differ: a few equal lines, then lines of `before` marked with a minus and of `after` marked with
 * a plus. Undefined if they are equal.
 */
export function firstDifference(before: string, after: string): string | undefined {
  if (before === after) return undefined;
  const old = before.split("\n");
  const now = after.split("\n");
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start++;
  let tail = 0;
  const rest = Math.min(old.length, now.length) - start;
  while (tail < rest && old.at(-1 - tail) === now.at(-1 - tail)) tail++;
  return [
    `@@ line ${start + 1} @@`,
    ...now.slice(Math.max(0, start - contextLines), start).map((line) => `  ${line}`),
    ...marked("-", old.slice(start, old.length - tail)),
    ...marked("+", now.slice(start, now.length - tail)),
  ].join("\n");
}

function marked(sign: string, lines: readonly string[]): string[] {
  const shown = lines.slice(0, linesMax).map((line) => `${sign} ${line}`);
  return lines.length > linesMax ? [...shown, `${sign} … ${lines.length - linesMax} more lines`] : shown;
}
