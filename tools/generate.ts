// Writes the code that is generated from the protos, or with --check compares it with what is there.
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { generateFor, type Language, languages, outputFolders, whyNot } from "./generate/languages.ts";
import { repositoryRoot } from "./run-buf.ts";

const usage = `usage: npm run generate -- [--check] [--language LANGUAGE ...]

Generates the server's code and the SDKs' from proto/. LANGUAGE is one of ${languages.join(", ")}; default: all.
A language whose tool chain is missing is left out, and said; in CI (CI=true), and where it was named, that is a failure.`;

process.exitCode = await main();

async function main(): Promise<number> {
  const { check, language: named = [], help } = readArguments();
  if (help) console.log(usage);
  if (help) return 0;
  const unknown = named.find((each) => !languages.includes(each as Language));
  if (unknown !== undefined) {
    console.error(`"${unknown}" is no language that is generated for\n\n${usage}`);
    return 2;
  }
  let succeeded = true;
  for (const language of named.length > 0 ? (named as Language[]) : languages) {
    const missing = whyNot(language);
    if (missing !== undefined) {
      console.log(`${language}: not ${check ? "compared" : "generated"}, ${missing}`);
      if (process.env.CI || named.length > 0) succeeded = false;
    } else if (!(check ? await compare(language) : await generateFor(language, repositoryRoot))) succeeded = false;
  }
  return succeeded ? 0 : 1;
}

function readArguments() {
  try {
    const options = {
      check: { type: "boolean", default: false },
      language: { type: "string", multiple: true },
      help: { type: "boolean", default: false },
    } as const;
    return parseArgs({ options }).values;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    process.exit(2);
  }
}

async function compare(language: Language): Promise<boolean> {
  const fresh = await mkdtemp(path.join(tmpdir(), "millpond-generate-"));
  try {
    if (!(await generateFor(language, fresh))) return false;
    const differences: string[] = [];
    for (const folder of await outputFolders(language)) {
      const [stored, made] = [repositoryRoot, fresh].map((root) => path.join(root, folder));
      differences.push(...(await compareFolders(stored!, made!, folder)));
    }
    if (differences.length === 0) return true;
    console.error(`The generated code for ${language} is not what the protos make:`);
    for (const difference of differences) console.error(`  ${difference}`);
    console.error(`run: npm run generate -- --language ${language}`);
    return false;
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

async function compareFolders(stored: string, fresh: string, label: string): Promise<string[]> {
  const [storedFiles, freshFiles] = await Promise.all([listFiles(stored), listFiles(fresh)]);
  const differences: string[] = [];
  for (const file of [...new Set([...storedFiles, ...freshFiles])].sort()) {
    const name = path.posix.join(label, file.replaceAll(path.sep, "/"));
    if (!storedFiles.has(file)) differences.push(`missing: ${name}`);
    else if (!freshFiles.has(file)) differences.push(`not generated: ${name}`);
    else {
      const [old, current] = await Promise.all([stored, fresh].map((folder) => readFile(path.join(folder, file))));
      if (!old!.equals(current!)) differences.push(`differs: ${name}`);
    }
  }
  return differences;
}

async function listFiles(folder: string): Promise<Set<string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const files = entries.filter((entry) => entry.isFile());
  return new Set(files.map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name))));
}
