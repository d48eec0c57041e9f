// Compiles what is published: the TypeScript SDK into sdk/typescript/dist, and the server with its command line into dist. With `--sdk`: the SDK alone.
import { cpSync, globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { repositoryRoot, runTool } from "./run-buf.ts";
import { compiledManifest } from "./sdk-manifest.ts";

const compiler = inRepository("node_modules/@typescript/native/bin/tsc");
/** What the compiled code reads when it runs. */
const dataFiles = ["migrations/*/*.sql", "examples/workflows/1000genome.json"];

process.exitCode = buildSdk() && (process.argv.includes("--sdk") || buildServer()) ? 0 : 1;

function buildSdk(): boolean {
  rmSync(inRepository("sdk/typescript/dist"), { recursive: true, force: true });
  if (!compile("sdk/typescript/tsconfig.build.json")) return false;
  // Generated as JavaScript with its types.
  copy("sdk/typescript/src/gen", "sdk/typescript/dist/gen");
  return true;
}

/**
 * dist has the layout of the repository, package.json and node_modules included: what a file finds beside itself in the one it
 * finds in the other. The SDK comes along as a copy, so that the package can be installed where no registry has the SDK.
 */
function buildServer(): boolean {
  rmSync(inRepository("dist"), { recursive: true, force: true });
  if (!compile("tsconfig.build.json")) return false;
  for (const file of globSync(dataFiles, { cwd: repositoryRoot })) copy(file, path.join("dist", file));
  const { name, version, type } = JSON.parse(read("package.json"));
  write("dist/package.json", `${JSON.stringify({ name, version, type }, undefined, 2)}\n`);
  const sdk = "dist/node_modules/@millpond/sdk";
  copy("sdk/typescript/dist", `${sdk}/dist`, (file) => !file.endsWith(".d.ts"));
  write(`${sdk}/package.json`, compiledManifest(read("sdk/typescript/package.json")));
  return true;
}

function compile(project: string): boolean {
  return runTool(process.execPath, [compiler, "--project", project]);
}

function copy(from: string, to: string, filter?: (file: string) => boolean): void {
  cpSync(inRepository(from), inRepository(to), { recursive: true, ...(filter ? { filter } : {}) });
}

function read(file: string): string {
  return readFileSync(inRepository(file), "utf8");
}

function write(file: string, text: string): void {
  writeFileSync(inRepository(file), text);
}

function inRepository(file: string): string {
  return path.join(repositoryRoot, file);
}
