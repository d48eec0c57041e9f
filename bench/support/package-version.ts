import { readFileSync } from "node:fs";

/** packageVersion is the version of a development package of this repository, which package.json names exactly. */
export function packageVersion(name: string): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const { devDependencies } = JSON.parse(text) as { devDependencies: Record<string, string> };
  return devDependencies[name] ?? "of unknown version";
}
