/** Reads a file of the repository by its path from the root. */
export type ReadSource = (file: string) => string;

const place = /(<!-- snippet (\S+?)#(\S+) -->\n)[\s\S]*?(<!-- \/snippet -->)/g;
const languages: Readonly<Record<string, string>> = {
  sh: "sh",
  ts: "ts",
  go: "go",
  py: "python",
  rs: "rust",
  java: "java",
  json: "json",
  yaml: "yaml",
  proto: "proto",
  sql: "sql",
};

/**
 * Fills the snippets of a Markdown text. A snippet stands between `<!-- snippet FILE#NAME -->` and `<!-- /snippet -->` and becomes the lines of
 * that file between its comments `snippet: NAME` and `end: NAME`. Throws where a file has no such lines.
 */
export function cutSnippets(markdown: string, read: ReadSource): string {
  return markdown.replace(place, (_, open: string, file: string, name: string, close: string) => {
    const language = languages[file.split(".").at(-1) ?? ""] ?? "";
    return `${open}\`\`\`${language}\n${cut(read(file), { file, name })}\`\`\`\n${close}`;
  });
}

function cut(source: string, { file, name }: { file: string; name: string }): string {
  const lines = source.split("\n");
  const at = (marker: string): number =>
    lines.findIndex((line) => /^\s*(?:#|\/\/) /.test(line) && line.endsWith(marker));
  const first = at(` snippet: ${name}`);
  const last = at(` end: ${name}`);
  if (first < 0 || last < first) throw new Error(`${file} has no lines between "snippet: ${name}" and "end: ${name}"`);
  const kept = lines.slice(first + 1, last);
  while (kept.at(-1)?.trim() === "") kept.pop();
  const indents = kept.filter((line) => line.trim() !== "").map((line) => line.length - line.trimStart().length);
  const indent = Math.min(...indents);
  return kept.map((line) => `${line.slice(indent)}\n`).join("");
}
