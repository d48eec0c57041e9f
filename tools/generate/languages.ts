import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { repositoryRoot, runBuf, runTool } from "../run-buf.ts";
import { type ForeignLanguage, hasToolChain, installTools, toolChains } from "./pinned-tools.ts";

/** A language that is generated for: its template for buf says what goes where. */
export type Language = "typescript" | ForeignLanguage;

/** All of them, in the order in which they are made. TypeScript's includes what the server is made with. */
export const languages: readonly Language[] = ["typescript", "go", "python", "rust", "java"];

/** The template of a language, from the repository's root. */
export function templateOf(language: Language): string {
  return language === "typescript" ? "buf.gen.yaml" : `sdk/${language}/buf.gen.yaml`;
}

/** The folders that a language's template writes to, from the repository's root. */
export async function outputFolders(language: Language): Promise<string[]> {
  const template = await readFile(path.join(repositoryRoot, templateOf(language)), "utf8");
  return [...new Set([...template.matchAll(/^\s+out:\s*(\S+)\s*$/gm)].map((match) => match[1]!))];
}

/** Why a language cannot be generated for on this machine; undefined if it can. */
export function whyNot(language: Language): string | undefined {
  if (language === "typescript" || hasToolChain(language)) return undefined;
  return `${toolChains[language][0]} is not on the PATH`;
}

/** Generates for a language below a folder; true if it succeeded. */
export async function generateFor(language: Language, target: string): Promise<boolean> {
  const template = ["generate", "--template", templateOf(language), "--output", target];
  if (language === "typescript") return runBuf(template);
  const bin = await installTools(language);
  if (!runBuf(template, bin)) return false;
  return language === "python" ? finishPython(target, bin) : true;
}

const pythonFolder = "sdk/python/src/millpond/gen";

/**
 * buf's plugins for Python make messages only: the stubs of services are made by grpc_tools. And all of it imports
 * `millpond.v1`, whose folder would have to be at the top of the path, beside code that people write; it is moved into the package.
 */
async function finishPython(target: string, bin: string): Promise<boolean> {
  const folder = path.join(target, pythonFolder);
  const scratch = await mkdtemp(path.join(tmpdir(), "millpond-image-"));
  try {
    const image = path.join(scratch, "image.binpb");
    if (!runBuf(["build", "--path", "proto/millpond", "-o", image])) return false;
    const protos = await readdir(path.join(repositoryRoot, "proto/millpond/v1"));
    const services = protos.filter((name) => name.endsWith("_service.proto")).map((name) => `millpond/v1/${name}`);
    const args = [`--descriptor_set_in=${image}`, `--grpc_python_out=${folder}`, ...services.sort()];
    if (!runTool(path.join(bin, "protoc"), args)) return false;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    const text = await readFile(file, "utf8");
    await writeFile(file, text.replaceAll(/^from millpond\.v1 import /gm, "from millpond.gen.millpond.v1 import "));
  }
  return true;
}
