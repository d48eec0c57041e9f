// Writes the code that is generated from the protos, or with --check compares it with what is there.
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { repositoryRoot, runBuf } from "./run-buf.ts";

const succeeded = process.argv.includes("--check") ? await check() : generate(repositoryRoot);
if (!succeeded) process.exitCode = 1;

function generate(target: string): boolean {
  return runBuf("generate", "--output", target);
}

async function check(): Promise<boolean> {
  const fresh = await mkdtemp(path.join(tmpdir(), "millpond-generate-"));
  try {
    if (!generate(fresh)) return false;
    const differences = await findDifferences(fresh);
    if (differences.length === 0) return true;
    console.error("The generated code is not what the protos make:");
    for (const difference of differences) console.error(`  ${difference}`);
    console.error("run: npm run generate");
    return false;
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

async function findDifferences(fresh: string): Promise<string[]> {
  const differences: string[] = [];
  for (const folder of await readOutputFolders()) {
    differences.push(...(await compareFolders(path.join(repositoryRoot, folder), path.join(fresh, folder), folder)));
  }
  return differences;
}

async function readOutputFolders(): Promise<string[]> {
  const template = await readFile(path.join(repositoryRoot, "buf.gen.yaml"), "utf8");
  return [...new Set([...template.matchAll(/^\s+out:\s*(\S+)\s*$/gm)].map((match) => match[1]!))];
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
