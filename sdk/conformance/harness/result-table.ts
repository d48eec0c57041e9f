import type { CaseResult } from "./run-language.ts";

/** resultTable shows what came of the cases: a row for each, a column for each language. */
export function resultTable(results: ReadonlyMap<string, readonly CaseResult[]>): string {
  const languages = [...results.keys()];
  const names = [...new Set([...results.values()].flatMap((list) => list.map(({ name }) => name)))].sort();
  const width = Math.max(4, ...names.map((name) => name.length));
  const cell = (language: string, name: string): string => {
    const result = results.get(language)?.find((each) => each.name === name);
    return result === undefined ? "" : result.failure === undefined ? "ok" : "FAILED";
  };
  const line = (first: string, cells: readonly string[]) =>
    [first.padEnd(width), ...cells.map((text, index) => text.padEnd(Math.max(6, languages[index]!.length)))]
      .join("  ")
      .trimEnd();
  const passed = languages.map((language) => {
    const list = results.get(language) ?? [];
    return `${list.filter(({ failure }) => failure === undefined).length}/${list.length}`;
  });
  return [
    line("case", languages),
    ...names.map((name) =>
      line(
        name,
        languages.map((language) => cell(language, name)),
      ),
    ),
    line("passed", passed),
  ].join("\n");
}
