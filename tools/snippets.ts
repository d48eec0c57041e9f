// Fills the snippets of the documents from the examples, or with --check compares them: README shows what CI runs.
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { cutSnippets } from "./cut-snippets.ts";
import { writeOrCompare } from "./write-or-compare.ts";

const root = path.resolve(import.meta.dirname, "..");
const read = (file: string): string => readFileSync(path.join(root, file), "utf8");
const documents = globSync(["*.md", "docs/**/*.md", "examples/**/*.md", "sdk/*/*.md"], { cwd: root }).sort();

await writeOrCompare(
  documents.map((file) => ({ file, text: cutSnippets(read(file), read) })),
  { check: process.argv.includes("--check"), remedy: "npm run docs" },
);
