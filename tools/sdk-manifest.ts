/** Where the SDK begins: in the repository, where Node strips the types; and in a package, where it refuses to. */
const sourceEntry = "./src/index.ts";
const compiledEntry = { types: "./dist/index.d.ts", default: "./dist/index.js" };

/** The package.json of the SDK as a package has it: it leads to the compiled code. */
export function compiledManifest(text: string): string {
  return withEntry(text, compiledEntry);
}

/** The package.json of the SDK as the repository has it: it leads to the source. */
export function sourceManifest(text: string): string {
  return withEntry(text, sourceEntry);
}

function withEntry(text: string, entry: unknown): string {
  return `${JSON.stringify({ ...JSON.parse(text), exports: { ".": entry } }, undefined, 2)}\n`;
}
